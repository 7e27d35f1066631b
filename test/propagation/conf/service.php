<?php
// A service that calls its upstream, with the context that came in or without.
$call = curl_init(getenv('UPSTREAM') . '/terminal');
curl_setopt($call, CURLOPT_RETURNTRANSFER, true);
if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/pass') {
    curl_setopt($call, CURLOPT_HTTPHEADER, ['traceparent: ' . $_SERVER['HTTP_TRACEPARENT']]);
}
echo curl_exec($call);
