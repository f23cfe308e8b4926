using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Orleans.Training.Benchmarks;

/// <summary>
/// A connection that posts one thing after the other. It knows only as much HTTP/1.1 as this takes, so that the clients leave the processors to what is measured.
/// </summary>
internal sealed class HttpConnection : IDisposable
{
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly string _head;
    private byte[] _sending = new byte[1024];
    private readonly byte[] _received = new byte[16 * 1024];

    private HttpConnection(Uri address, string path) => _head = $"POST {path} HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Length: ";

    public static async Task<HttpConnection> Open(Uri address, string path)
    {
        var connection = new HttpConnection(address, path);
        await connection._socket.ConnectAsync(IPAddress.Loopback, address.Port);
        return connection;
    }

    /// <summary>Posts, and gives the status and the answer's text.</summary>
    public async Task<(int Status, string Text)> Post(ReadOnlyMemory<byte> body)
    {
        var head = $"{_head}{body.Length.ToString(CultureInfo.InvariantCulture)}\r\n\r\n";
        if (_sending.Length < head.Length + body.Length) _sending = new byte[head.Length + body.Length];
        Encoding.ASCII.GetBytes(head, _sending);
        body.CopyTo(_sending.AsMemory(head.Length));
        for (int sent = 0, all = head.Length + body.Length; sent < all;) sent += await _socket.SendAsync(_sending.AsMemory(sent, all - sent));
        for (var filled = 0; ;)
        {
            var read = await _socket.ReceiveAsync(_received.AsMemory(filled));
            if (read == 0) throw new IOException("The validator closed the connection.");
            filled += read;
            if (Parse(_received.AsSpan(0, filled)) is { } answer) return answer;
        }
    }

    public void Dispose() => _socket.Dispose();

    // Null while it is not there in full.
    private static (int Status, string Text)? Parse(ReadOnlySpan<byte> received)
    {
        var end = received.IndexOf("\r\n\r\n"u8);
        if (end < 0) return null;
        var head = Encoding.ASCII.GetString(received[..end]);
        var body = received[(end + 4)..];
        var status = int.Parse(head.AsSpan(9, 3), CultureInfo.InvariantCulture);
        const string length = "Content-Length: ";
        if (head.IndexOf(length, StringComparison.OrdinalIgnoreCase) is >= 0 and var at)
        {
            var digits = head[(at + length.Length)..].Split("\r\n")[0];
            if (body.Length < int.Parse(digits, CultureInfo.InvariantCulture)) return null;
        }
        else if (!body.EndsWith("0\r\n\r\n"u8)) return null;
        return (status, Encoding.UTF8.GetString(body));
    }
}
