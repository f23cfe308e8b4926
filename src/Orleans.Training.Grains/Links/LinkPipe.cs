using System.Net.WebSockets;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>Opens pipes to validators and relays: WebSockets, which pass through firewalls and proxies (docs/spec/links.md §1).</summary>
internal static class LinkPipe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>To a seat where its own validator listens.</summary>
    public static Task<Stream> ToSeat(Uri address, Genesis genesis, ParticipantId seat, CancellationToken cancellationToken) => Open(address, $"shards/{genesis.Shard}/seats/{seat}", cancellationToken);

    /// <summary>To a seat that waits at a relay.</summary>
    public static Task<Stream> ThroughRelay(Uri address, Genesis genesis, ParticipantId seat, CancellationToken cancellationToken) => Open(address, $"shards/{genesis.Shard}/relay/{seat}", cancellationToken);

    /// <summary>To a relay, to wait there as a seat.</summary>
    public static Task<Stream> ToWait(Uri address, Genesis genesis, ParticipantId seat, CancellationToken cancellationToken) => Open(address, $"shards/{genesis.Shard}/relay/{seat}/wait", cancellationToken);

    [System.Diagnostics.CodeAnalysis.SuppressMessage("Security", "CA5359", Justification = "Who the other side is shows the handshake inside the pipe; the outer encryption is the proxies' affair.")]
    private static async Task<Stream> Open(Uri address, string path, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        var socket = new ClientWebSocket();
        try
        {
            if (address.Scheme == Uri.UriSchemeHttps) socket.Options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
            var root = address.AbsoluteUri.EndsWith('/') ? address : new Uri(address.AbsoluteUri + "/");
            var target = new UriBuilder(new Uri(root, path)) { Scheme = address.Scheme == Uri.UriSchemeHttps ? Uri.UriSchemeWss : Uri.UriSchemeWs };
            await socket.ConnectAsync(target.Uri, patience.Token);
            return WebSocketStream.Create(socket, WebSocketMessageType.Binary, ownsWebSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
