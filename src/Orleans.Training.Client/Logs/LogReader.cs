using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Client.Logs;

/// <summary>A log could not be read; the message begins with the number (docs/spec/errors.md).</summary>
public sealed class LogException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// Reads any log that is served as c2sp.org/tlog-tiles: by validators, gateways, buckets. Nothing that it gives is believed: checkpoints go before a trust policy, proofs before their roots.
/// </summary>
public sealed class LogReader : IDisposable
{
    private const int NoteBytes = 64 * 1024;
    private readonly HttpClient _http;
    private readonly Dictionary<LogTile, byte[]> _tiles = [];

    /// <summary>A log by its prefix, such as <c>https://validator.example/shards/ID</c>, and the API key that it wants, if any.</summary>
    public LogReader(Uri prefix, string? apiKey)
        : this(prefix, apiKey, new SocketsHttpHandler { AllowAutoRedirect = false })
    {
    }

    internal LogReader(Uri prefix, string? apiKey, HttpMessageHandler handler)
    {
        Prefix = new Uri(prefix.AbsoluteUri.TrimEnd('/') + "/");
        _http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(20), MaxResponseContentBufferSize = NoteBytes };
        if (apiKey is not null) _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
    }

    /// <summary>Where the log is.</summary>
    public Uri Prefix { get; }

    /// <summary>The newest checkpoint that the log shows.</summary>
    /// <exception cref="LogException">OT-3301: it cannot be read.</exception>
    public async Task<(SignedNote Note, Checkpoint Checkpoint)> Newest(CancellationToken cancellationToken)
    {
        var text = await Get("checkpoint", cancellationToken);
        try
        {
            if (SignedNote.TryParse(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(text), out var note) && Checkpoint.TryParse(note!.Text, out var checkpoint)) return (note, checkpoint!);
        }
        catch (DecoderFallbackException)
        {
            // No text, no checkpoint.
        }

        throw new LogException($"OT-3301 {Prefix}checkpoint is no checkpoint: look whether this is the prefix of a log.");
    }

    /// <summary>The proof that the tree of one size begins with the one of another (RFC 6962 §2.1.2), as the log's tiles give it.</summary>
    /// <exception cref="LogException">OT-3301: a tile cannot be read.</exception>
    public async Task<Digest[]> Prove(long oldSize, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(oldSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(oldSize, size);
        _tiles.Clear();
        var proof = new List<Digest>();
        long from = 0, to = size;
        while (to != oldSize)
        {
            var middle = from + LargestPowerBelow(to - from);
            if (oldSize <= middle) (to, proof) = (middle, [.. proof, await Subtree(middle, to, size, cancellationToken)]);
            else (from, proof) = (middle, [.. proof, await Subtree(from, middle, size, cancellationToken)]);
        }

        if (from != 0) proof.Add(await Subtree(from, to, size, cancellationToken));
        proof.Reverse();
        return [.. proof];
    }

    /// <summary>The root of the first leaves of a tree, and the proof that it begins with them, as the log's tiles give both.</summary>
    /// <exception cref="LogException">OT-3301: a tile cannot be read.</exception>
    public async Task<(Digest Root, Digest[] Proof)> Begin(long oldSize, long size, CancellationToken cancellationToken)
    {
        var proof = await Prove(oldSize, size, cancellationToken);
        return (await Subtree(0, oldSize, size, cancellationToken), proof);
    }

    public void Dispose() => _http.Dispose();

    // The root of leaves [from, to) of a tree of a size: a node of the tree, or made of two parts.
    private async Task<Digest> Subtree(long from, long to, long size, CancellationToken cancellationToken)
    {
        var length = to - from;
        if (length > 1 && !(long.IsPow2(length) && long.Log2(length) % 8 == 0))
        {
            var middle = from + LargestPowerBelow(length);
            return MerkleHash.Node(await Subtree(from, middle, size, cancellationToken), await Subtree(middle, to, size, cancellationToken));
        }

        var level = (int)long.Log2(length) / 8;
        var (position, count) = (from / length, size / length);
        var index = position / LogTile.FullWidth;
        var tile = await Tile(new LogTile(level, index, (int)Math.Min(LogTile.FullWidth, count - (index * LogTile.FullWidth))), cancellationToken);
        return Digest.From(tile.AsSpan((int)(position % LogTile.FullWidth) * Digest.Size, Digest.Size));
    }

    private async Task<byte[]> Tile(LogTile tile, CancellationToken cancellationToken)
    {
        if (_tiles.TryGetValue(tile, out var known)) return known;
        var content = await Get(tile.ToString(), cancellationToken);
        if (content.Length != tile.Width * Digest.Size) throw new LogException($"OT-3301 {Prefix}{tile} has {content.Length} bytes instead of {tile.Width * Digest.Size}.");
        return _tiles[tile] = content;
    }

    private async Task<byte[]> Get(string path, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.GetAsync(new Uri(Prefix, path), cancellationToken);
            if (response.StatusCode is HttpStatusCode.OK) return await response.Content.ReadAsByteArrayAsync(cancellationToken);
            throw new LogException($"OT-3301 {Prefix}{path} answers {(int)response.StatusCode}: {(response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? "it wants an API key that may read" : "the log has no such thing yet, or this is not its prefix")}.");
        }
        catch (Exception exception) when (exception is HttpRequestException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new LogException($"OT-3301 {Prefix}{path} cannot be read: {exception.Message}", exception);
        }
    }

    private static long LargestPowerBelow(long length) => 1L << (int)long.Log2(length - 1);
}
