<?php
// A service in PHP: it does the program in the body, as plan.go tells. PHP keeps no connections from one request to the next.

function handle(int $port, string $path, string $body): CurlHandle
{
    $h = curl_init("http://127.0.0.1:$port$path");
    curl_setopt_array($h, [
        CURLOPT_POSTFIELDS => $body,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_FAILONERROR => true,
        CURLOPT_HTTPHEADER => ['Content-Type: text/plain', 'Expect:'],
    ]);
    return $h;
}

// Makes calls that go on at the same time.
function send(array $handles): bool
{
    if (count($handles) === 1) {
        return curl_exec($handles[0]) !== false;
    }
    $all = curl_multi_init();
    foreach ($handles as $h) {
        curl_multi_add_handle($all, $h);
    }
    do {
        $status = curl_multi_exec($all, $running);
        if ($running) {
            curl_multi_select($all);
        }
    } while ($running && $status === CURLM_OK);
    $ok = $status === CURLM_OK;
    foreach ($handles as $h) {
        $ok = $ok && curl_getinfo($h, CURLINFO_RESPONSE_CODE) === 200;
        curl_multi_remove_handle($all, $h);
    }
    return $ok;
}

function run(string $program): bool
{
    $pending = [];
    for ($at = 0; $at < strlen($program);) {
        $end = strpos($program, "\n", $at);
        $word = explode(' ', substr($program, $at, $end - $at));
        $at = $end + 1;
        if ($word[0] !== 'p' && $pending) {
            if (!send($pending)) {
                return false;
            }
            $pending = [];
        }
        if ($word[0] === 'w') {
            usleep(1000 * (int) $word[1]);
            continue;
        }
        $size = (int) $word[3];
        $pending[] = handle((int) $word[1], $word[2], substr($program, $at, $size));
        $at += $size;
    }
    return !$pending || send($pending);
}

header('Content-Type: text/plain');
if (!run(file_get_contents('php://input'))) {
    http_response_code(502);
}
echo "ok\n";
