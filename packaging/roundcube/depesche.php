<?php

/**
 * Driver of Roundcube's password plugin for Depesche (POST /api/password, doc/jmap-extensions.md).
 *
 * /usr/share/roundcube/plugins/password/drivers/depesche.php; needs PHP's curl.
 *
 * $config['password_depesche_url'] = 'https://mail.example.org/api/password';
 * $config['password_depesche_ca'] = '';  // a file of authorities; empty: the system's
 */
class rcube_depesche_password
{
    public function save($current, $new, $user)
    {
        $rcmail = rcmail::get_instance();
        $language = strncmp((string) ($_SESSION['language'] ?? ''), 'de', 2) == 0 ? 'de' : 'en';
        [$status, $answer] = $this->ask(
            $rcmail->config->get('password_depesche_url'),
            $rcmail->config->get('password_depesche_ca'),
            "$user:$current",
            ['new' => $new, 'language' => $language]
        );
        switch ($status) {
        case 200:
            return PASSWORD_SUCCESS;
        case 401:
            return $this->refused($language == 'de' ? 'Das bisherige Passwort ist falsch.'
                                                    : 'The current password is wrong.');
        case 403:
            return $this->refused($language == 'de' ? 'Dieses Konto ist gesperrt.'
                                                    : 'This account is locked.');
        case 422:
            return ['code' => PASSWORD_CONSTRAINT_VIOLATION, 'message' => $answer['reason'] ?? ''];
        case 429:
            return $this->refused($this->blocked($answer['until'] ?? '', $language));
        }
        rcube::raise_error(['code' => 600, 'file' => __FILE__, 'line' => __LINE__,
            'message' => "Password plugin: Depesche answered with status $status"], true, false);
        return PASSWORD_CONNECT_ERROR;
    }

    private function refused($message)
    {
        return ['code' => PASSWORD_ERROR, 'message' => $message];
    }

    private function blocked($until, $language)
    {
        $minutes = max(1, (int) ceil((strtotime($until) - time()) / 60));
        return $language == 'de'
            ? "Zu viele falsche Passwörter. Versuchen Sie es in $minutes Min. noch einmal."
            : "Too many wrong passwords. Try again in $minutes min.";
    }

    /** RFC 7239: an IPv6 address stands in brackets and quotes. */
    private function forwarded()
    {
        $address = rcube_utils::remote_addr();
        if (!filter_var($address, FILTER_VALIDATE_IP)) {
            return [];
        }
        return ['Forwarded: for=' . (strpos($address, ':') === false ? $address : "\"[$address]\"")];
    }

    private function ask($url, $ca, $credentials, $body)
    {
        $c = curl_init($url);
        curl_setopt_array($c, [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => json_encode($body),
            CURLOPT_HTTPHEADER => array_merge(['Content-Type: application/json'], $this->forwarded()),
            CURLOPT_HTTPAUTH => CURLAUTH_BASIC,
            CURLOPT_USERPWD => $credentials,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTPS,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_CONNECTTIMEOUT => 10,
            CURLOPT_TIMEOUT => 30,
        ]);
        if ($ca) {
            curl_setopt($c, CURLOPT_CAINFO, $ca);
        }
        $answer = curl_exec($c);
        $status = (int) curl_getinfo($c, CURLINFO_RESPONSE_CODE);
        if ($answer === false) {
            rcube::raise_error(['code' => 600, 'file' => __FILE__, 'line' => __LINE__,
                'message' => 'Password plugin: ' . curl_error($c)], true, false);
        }
        curl_close($c);
        return [$status, json_decode((string) $answer, true) ?: []];
    }
}
