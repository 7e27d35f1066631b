package fleet;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.http.*;
import io.netty.handler.stream.ChunkedInput;

/** A body of n bytes, made as the socket takes it. */
final class NettyBody implements ChunkedInput<HttpContent> {
    private final long size;
    private long left;

    private NettyBody(long size) {
        this.size = size;
        this.left = size;
    }

    static void stream(ChannelHandlerContext context, boolean chunked, long size) {
        var head = new DefaultHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.OK);
        if (chunked) {
            head.headers().set(HttpHeaderNames.TRANSFER_ENCODING, HttpHeaderValues.CHUNKED);
        } else {
            head.headers().set(HttpHeaderNames.CONTENT_LENGTH, size);
        }
        context.write(head);
        context.write(new NettyBody(size));
        context.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
    }

    @Override
    public HttpContent readChunk(ByteBufAllocator allocator) {
        int n = (int) Math.min(left, 65536);
        ByteBuf block = allocator.buffer(n).writeZero(n);
        left -= n;
        return new DefaultHttpContent(block);
    }

    @Override
    @Deprecated
    public HttpContent readChunk(ChannelHandlerContext context) {
        return readChunk(context.alloc());
    }

    @Override
    public boolean isEndOfInput() {
        return left == 0;
    }

    @Override
    public void close() {}

    @Override
    public long length() {
        return size;
    }

    @Override
    public long progress() {
        return size - left;
    }
}
