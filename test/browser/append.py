"""Puts one message into an Inbox, as a mail program would: append.py IMAPS-PORT ADDRESS PASSWORD SUBJECT"""
import imaplib
import ssl
import sys
import time

port, address, password, subject = sys.argv[1:5]
c = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=ssl._create_unverified_context())
c.login(address, password)
text = (f"From: Live <live@fill.example>\r\nTo: {address}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{time.time_ns()}@fill.example>\r\n\r\nGerade eben.\r\n")
typ, data = c.append("INBOX", "", imaplib.Time2Internaldate(time.time()), text.encode())
assert typ == "OK", data
c.logout()
