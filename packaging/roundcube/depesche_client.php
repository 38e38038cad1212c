<?php

/**
 * Tells Depesche the address of the browser before the login (IMAP's ID, RFC 2971), so that wrong
 * passwords are counted for it and not for the webmail's host.
 *
 * /usr/share/roundcube/plugins/depesche_client/depesche_client.php
 */
class depesche_client extends rcube_plugin
{
    public function init()
    {
        $this->add_hook('storage_connect', [$this, 'tell']);
    }

    public function tell($options)
    {
        $address = rcube_utils::remote_addr();
        if (filter_var($address, FILTER_VALIDATE_IP)) {
            $options['preauth_ident'] = array_merge($options['preauth_ident'] ?? [], [
                'name' => 'Roundcube',
                'version' => RCUBE_VERSION,
                'x-originating-ip' => $address,
            ]);
        }
        return $options;
    }
}
