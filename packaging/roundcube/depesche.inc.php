<?php

// Roundcube in front of Depesche: /etc/roundcube/depesche.inc.php, included at the end of
// /etc/roundcube/config.inc.php. Set the host name here; the rest can stay.
$depesche = 'mail.example.org';

$config['imap_host'] = "ssl://$depesche:993";
$config['smtp_host'] = "ssl://$depesche:465";
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';

// Certificates are checked, also when Roundcube runs on the same machine.
$config['imap_conn_options'] = $config['smtp_conn_options'] = [
    'ssl' => ['verify_peer' => true, 'verify_peer_name' => true, 'peer_name' => $depesche],
];

// Drafts, Sent, Junk and Trash are found by SPECIAL-USE, whatever their language.
$config['lock_special_folders'] = false;

// Who sits in front of Roundcube: the lockout shall hit that address and not Roundcube's. Depesche
// believes it from hosts in guard.proxies: by IMAP's ID (the plugin), SMTP's XCLIENT, and Forwarded.
$config['smtp_xclient_addr'] = true;
$config['plugins'] = array_merge($config['plugins'] ?? [], ['depesche_client', 'password']);

$config['password_driver'] = 'depesche';
$config['password_depesche_url'] = "https://$depesche/api/password";
$config['password_confirm_current'] = true;
$config['password_minimum_length'] = 8;
