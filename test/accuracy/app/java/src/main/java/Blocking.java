import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;

/** Does a program in the thread that asks for it. With an executor, the calls of one step go on in its threads. */
record Blocking(Client client, Executor executor) {
    /** Sends a call and reads the reply. */
    interface Client {
        void post(Program.Call call) throws Exception;
    }

    /** Gives the status of the answer. */
    int run(byte[] program) {
        try {
            for (var step : Program.steps(program)) {
                if (step.pause() > 0) {
                    Thread.sleep(step.pause());
                }
                if (executor == null) {
                    for (var call : step.calls()) {
                        client.post(call);
                    }
                    continue;
                }
                var pending = step.calls().stream().map(call -> CompletableFuture.runAsync(() -> post(call), executor));
                CompletableFuture.allOf(pending.toArray(CompletableFuture[]::new)).join();
            }
            return 200;
        } catch (Exception e) {
            System.err.println(e);
            return 502;
        }
    }

    private void post(Program.Call call) {
        try {
            client.post(call);
        } catch (Exception e) {
            throw new CompletionException(e);
        }
    }
}
