/* Hashes as other systems write them, with their passwords; a list for password_test.c. */
{"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/"
 "O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
 "Hello world!"},
    {"{SHA512-CRYPT}$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/"
     "UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
     "Hello world!"},
    {"{SHA256-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
    {"{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuutb0hTRdDfH8a1imUKpJmIm4RP5PFG6y",
     "P\xC3\xA4ssw\xC3\xB6rd"},
    {"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"},
    {"$y$j9T$F5Jx5fExrKuPp53xLKQ..1$42RgPIrXdXSEEs77lDi/4IqKVqFBAVaHJkzw5uD1r57", "Hello world!"},
    {"{MD5-CRYPT}$1$saltsalt$le8lFSqqnPaRFOlmAZpvH1", "Hello world!"},
    {"{ARGON2ID}$argon2id$v=19$m=8192,t=1,p=1$L+n2LW+50oC63Z8YLmxsOA$WW+fo3YR5QfLcPFwrScAiuC+"
     "c3WBbBTgCFnDzkJv5Ak",
     "Hello world!"},
