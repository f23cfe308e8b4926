using System.IO.Pipelines;

namespace Orleans.Training.Tests.Links;

/// <summary>The two ends of a pipe in memory. What goes through can be recorded and changed on the way.</summary>
internal sealed class PipePair
{
    public PipePair(Func<byte[], byte[]>? onTheWayToRight = null)
    {
        var (there, back) = (new Pipe(), new Pipe());
        Left = new End(back.Reader.AsStream(), there.Writer.AsStream(), onTheWayToRight);
        Right = new End(there.Reader.AsStream(), back.Writer.AsStream(), null);
    }

    public Stream Left { get; }

    public Stream Right { get; }

    private sealed class End(Stream reader, Stream writer, Func<byte[], byte[]>? change) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => reader.ReadAsync(buffer, cancellationToken);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => await writer.WriteAsync(change?.Invoke(buffer.ToArray()) ?? buffer.ToArray(), cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => writer.FlushAsync(cancellationToken);

        public override void Flush() => writer.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                reader.Dispose();
                writer.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
