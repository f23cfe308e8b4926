using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// Brings together two seats of a shard that cannot reach each other: one waits here, the other comes, and from then on bytes are carried between them (docs/spec/links.md §5).
/// Both show that they are seats; what they then say to each other is a handshake of their own, so a relay can cut or delay and neither read nor forge. Any validator and any gateway is one.
/// </summary>
public sealed partial class Relay(TimeProvider time, ILogger<Relay> logger) : IDisposable
{
    internal const byte StillWaiting = 0;
    internal const byte Together = 1;
    internal const byte Nobody = 2;

    private const int WaitingPerSeat = 4;
    private const int MostPairs = 512;
    private const int BufferBytes = 64 * 1024;
    private static readonly TimeSpan SayAlive = TimeSpan.FromSeconds(10);

    private readonly X509Certificate2 _certificate = LinkHandshake.NobodysCertificate();
    private readonly ConcurrentDictionary<(Identifier Shard, ParticipantId Seat), List<Waiter>> _waiting = [];
    private int _pairs;

    private sealed class Waiter(Stream stream)
    {
        public Stream Stream { get; } = stream;

        public SemaphoreSlim Writing { get; } = new(1);

        public volatile bool Taken;

        public TaskCompletionSource Over { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Serves a pipe to its end: of the seat itself, which waits, or of another that looks for it.</summary>
    /// <returns>False when the pipe's owner has not shown that it may do this.</returns>
    public async Task<bool> Serve(LinkMembers members, ParticipantId name, bool waits, Stream pipe, CancellationToken cancellationToken)
    {
        SslStream stream;
        try
        {
            (stream, var peer) = await LinkHandshake.AsListener(members.Genesis, _certificate, pipe, self: null, members.Admits, cancellationToken);
            if (peer.Organisation == name != waits)
            {
                await stream.DisposeAsync();
                return false;
            }
        }
        catch (Exception exception) when (exception is AuthenticationException or IOException)
        {
            return false;
        }

        var shard = members.Genesis.Shard;
        await using (stream)
        {
            if (waits) await Wait((shard, name), stream, cancellationToken);
            else await Join((shard, name), stream, cancellationToken);
        }

        return true;
    }

    public void Dispose() => _certificate.Dispose();

    private async Task Wait((Identifier, ParticipantId) seat, Stream stream, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(stream);
        var waiting = _waiting.GetOrAdd(seat, _ => []);
        lock (waiting)
        {
            waiting.Add(waiter);
            if (waiting.Count > WaitingPerSeat)
            {
                waiting[0].Over.TrySetResult();
                waiting.RemoveAt(0);
            }
        }

        LogWaiting(logger, seat.Item1, seat.Item2);
        using var end = cancellationToken.Register(() => waiter.Over.TrySetResult());
        await using var alive = time.CreateTimer(_ => { if (!waiter.Taken) _ = TryTell(waiter, StillWaiting); }, null, SayAlive, SayAlive);
        await waiter.Over.Task;
        lock (waiting) waiting.Remove(waiter);
    }

    private async Task Join((Identifier, ParticipantId) seat, Stream stream, CancellationToken cancellationToken)
    {
        while (Volatile.Read(ref _pairs) < MostPairs && Take(seat) is { } waiter)
        {
            Interlocked.Increment(ref _pairs);
            try
            {
                if (!await TryTell(waiter, Together)) continue;
                await stream.WriteAsync(new[] { Together }, cancellationToken);
                await Carry(stream, waiter.Stream, cancellationToken);
                return;
            }
            finally
            {
                Interlocked.Decrement(ref _pairs);
                waiter.Over.TrySetResult();
            }
        }

        await stream.WriteAsync(new[] { Nobody }, cancellationToken);
    }

    // The newest: the older one is, the sooner it is one whose end nobody has noticed.
    private Waiter? Take((Identifier, ParticipantId) seat)
    {
        if (!_waiting.TryGetValue(seat, out var waiting)) return null;
        lock (waiting)
        {
            if (waiting.Count == 0) return null;
            var newest = waiting[^1];
            waiting.RemoveAt(waiting.Count - 1);
            newest.Taken = true;
            return newest;
        }
    }

    // Once it was told that somebody has come, nothing else of ours may be written to it.
    private static async Task<bool> TryTell(Waiter waiter, byte what)
    {
        await waiter.Writing.WaitAsync();
        try
        {
            await waiter.Stream.WriteAsync(new[] { what });
            await waiter.Stream.FlushAsync();
            if (what is StillWaiting) waiter.Writing.Release();
            return true;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or OperationCanceledException)
        {
            waiter.Over.TrySetResult();
            return false;
        }
    }

    private static async Task Carry(Stream one, Stream other, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var there = one.CopyToAsync(other, BufferBytes, either.Token);
        var back = other.CopyToAsync(one, BufferBytes, either.Token);
        await Task.WhenAny(there, back);
        await either.CancelAsync();
        await Task.WhenAll(there, back).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Shard {Shard}: seat {Seat} waits here")]
    private static partial void LogWaiting(ILogger logger, Identifier shard, ParticipantId seat);
}
