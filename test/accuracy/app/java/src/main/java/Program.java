import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The steps of a program, as plan.go tells. */
final class Program {
    static final byte[] OK = "ok\n".getBytes(StandardCharsets.US_ASCII);

    /** A request to be sent. */
    record Call(int port, String path, byte[] body) {
        String url() {
            return "http://127.0.0.1:" + port + path;
        }

        URI uri() {
            return URI.create(url());
        }
    }

    /** Waits for so many milliseconds, then makes the calls at the same time. */
    record Step(int pause, List<Call> calls) {}

    private Program() {}

    static List<Step> steps(byte[] program) {
        var steps = new ArrayList<Step>();
        for (int at = 0; at < program.length; ) {
            int end = at;
            while (program[end] != '\n') {
                end++;
            }
            String[] word = new String(program, at, end - at, StandardCharsets.US_ASCII).split(" ");
            at = end + 1;
            if (word[0].equals("w")) {
                steps.add(new Step(Integer.parseInt(word[1]), List.of()));
                continue;
            }
            int size = Integer.parseInt(word[3]);
            var call = new Call(Integer.parseInt(word[1]), word[2], Arrays.copyOfRange(program, at, at + size));
            at += size;
            if (word[0].equals("c") || steps.isEmpty() || steps.get(steps.size() - 1).calls().isEmpty()) {
                steps.add(new Step(0, new ArrayList<>()));
            }
            steps.get(steps.size() - 1).calls().add(call);
        }
        return steps;
    }
}
