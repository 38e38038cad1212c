// Drives the server with imapflow and nodemailer: node imapflow.mjs PORT_IMAPS PORT_SUBMISSION USER PASSWORD CA
// Prints one JSON line of what it saw; any failure ends with status 1.
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';
import nodemailer from 'nodemailer';

const [imaps, submission, user, pass, caFile] = process.argv.slice(2);
const tls = { ca: readFileSync(caFile), servername: 'localhost' };
const seen = {};

const client = new ImapFlow({
    host: '127.0.0.1', port: Number(imaps), secure: true, tls, auth: { user, pass }, logger: false,
});
await client.connect();
seen.capabilities = [...client.capabilities.keys()];
seen.mailboxes = (await client.list()).map((m) => [m.path, m.specialUse ?? '']);

await client.mailboxCreate('Äpfel/Birnen');
seen.created = (await client.list()).some((m) => m.path === 'Äpfel/Birnen');

const lock = await client.getMailboxLock('INBOX');
try {
    const before = client.mailbox.exists;
    const arrived = new Promise((resolve, reject) => {
        client.on('exists', resolve);
        setTimeout(() => reject(new Error('no EXISTS within 10 s')), 10000).unref();
    });
    const smtp = nodemailer.createTransport({
        host: '127.0.0.1', port: Number(submission), requireTLS: true, tls, auth: { user, pass },
    });
    const idle = client.idle();
    await smtp.sendMail({
        from: user, to: user, subject: 'Grüße mit Anhang 🎈', text: 'Hallo Welt', html: '<p>Hallo <b>Welt</b></p>',
        attachments: [{ filename: 'Übersicht.txt', content: 'ä'.repeat(1000) }],
    });
    smtp.close();
    await arrived;
    await client.noop();
    await idle;
    seen.arrived = client.mailbox.exists - before;

    const m = await client.fetchOne('*', { uid: true, envelope: true, bodyStructure: true, flags: true, size: true, internalDate: true, emailId: true, threadId: true });
    seen.subject = m.envelope.subject;
    seen.parts = m.bodyStructure.childNodes.map((n) => n.type);
    seen.emailId = Boolean(m.emailId);
    const { content, meta } = await client.download(String(m.uid), '2', { uid: true });
    const chunks = [];
    for await (const c of content) chunks.push(c);
    seen.attachment = [meta.filename, Buffer.concat(chunks).toString().length];

    seen.flagged = await client.messageFlagsAdd({ uid: m.uid }, ['\\Flagged', 'Wichtig']);
    seen.search = (await client.search({ subject: 'grüße', flagged: true }, { uid: true })).includes(m.uid);
    const copy = await client.messageCopy({ uid: m.uid }, 'Äpfel/Birnen');
    seen.copied = copy.uidMap.size;
    const move = await client.messageMove({ uid: m.uid }, 'Äpfel/Birnen');
    seen.moved = move.uidMap.size;
} finally {
    lock.release();
}
seen.status = await client.status('Äpfel/Birnen', { messages: true, unseen: true, highestModseq: true });
seen.status.highestModseq = String(seen.status.highestModseq);
await client.mailboxRename('Äpfel/Birnen', 'Äpfel/Quitten');
await client.mailboxDelete('Äpfel/Quitten');
seen.quota = await client.getQuota('INBOX');
await client.logout();
console.log(JSON.stringify(seen));
