package fleet;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** What the Java members of the fleet share: blocks of bytes and the downstream call, made on the calling thread. */
final class Routes {
    static final byte[] HELLO = "hello\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] BLOCK = new byte[65536];

    static {
        Arrays.fill(BLOCK, (byte) 'x');
    }

    record Reply(int status, byte[] body) {}

    private Routes() {}

    static void fill(OutputStream out, long n) throws IOException {
        for (; n > 0; n -= BLOCK.length) {
            out.write(BLOCK, 0, (int) Math.min(n, BLOCK.length));
        }
    }

    static byte[] measure(InputStream in) throws IOException {
        long size = 0;
        byte[] buffer = new byte[65536];
        for (int n; (n = in.read(buffer)) >= 0; ) {
            size += n;
        }
        return Long.toString(size).getBytes(StandardCharsets.US_ASCII);
    }

    static Map<String, String> query(String raw) {
        Map<String, String> values = new HashMap<>();
        for (String pair : raw == null ? new String[0] : raw.split("&")) {
            String[] part = pair.split("=", 2);
            values.put(part[0], URLDecoder.decode(part.length > 1 ? part[1] : "", StandardCharsets.UTF_8));
        }
        return values;
    }

    /** Calls the URL of the query with HttpURLConnection; `trace` says what becomes of the traceparent. */
    static Reply call(String rawQuery, String traceparent) throws IOException {
        Map<String, String> query = query(rawQuery);
        var connection = (HttpURLConnection) URI.create(query.get("url")).toURL().openConnection();
        String trace = query.getOrDefault("trace", "");
        if (traceparent != null && trace.equals("pass")) {
            connection.setRequestProperty("traceparent", traceparent);
        }
        if (traceparent != null && trace.equals("new")) {
            String parent = String.format("%016x", System.nanoTime());
            connection.setRequestProperty("traceparent", traceparent.substring(0, 36) + parent + traceparent.substring(52));
        }
        int status = connection.getResponseCode();
        try (InputStream in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return new Reply(status, in == null ? new byte[0] : in.readAllBytes());
        }
    }
}
