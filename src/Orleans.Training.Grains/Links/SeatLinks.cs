using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// The links of one seat to the seats that live elsewhere: dials those whose address is known, finds the others at relays, waits at relays to be found, and takes what comes
/// (docs/spec/links.md). One more link than needed does no harm (<see cref="PeerLinks"/>).
/// </summary>
public sealed partial class SeatLinks : ITransport, IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);
    // The lower seat dials first, so that most pairs have one link.
    private static readonly TimeSpan Courtesy = TimeSpan.FromMilliseconds(1500);
    private static readonly TimeSpan RelaySilence = TimeSpan.FromSeconds(30);

    private readonly Genesis _genesis;
    private readonly int _seat;
    private readonly X509Certificate2 _certificate;
    private readonly LinkPeers _peers;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly BlobExchange _exchange;
    private readonly CancellationTokenSource _stop = new();
    private readonly PeerLinks[] _links;
    private readonly ConcurrentDictionary<Task, bool> _running = [];
    private Action<int, ReadOnlyMemory<byte>>? _receive;

    private SeatLinks(Genesis genesis, int seat, X509Certificate2 certificate, LinkPeers peers, IBlobStore blobs, TimeProvider time, ILogger logger)
    {
        (_genesis, _seat, _certificate, _peers, _time, _logger) = (genesis, seat, certificate, peers, time, logger);
        _links = [.. genesis.Validators.Seats.Select(_ => new PeerLinks())];
        _exchange = new BlobExchange(blobs, time);
    }

    /// <summary>The links of a seat, which begin with <see cref="Start"/>. The seat's transaction key signs once.</summary>
    /// <exception cref="OperationalException">OT-7041: the peers are not of this shard.</exception>
    public static async Task<SeatLinks> Create(Genesis genesis, ValidatorKeys keys, LinkPeers peers, IBlobStore blobs, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        peers.Require(genesis);
        var seat = ValidatorHost.SeatOf(genesis, keys);
        return new SeatLinks(genesis, seat, await SeatCertificate.Create(genesis, seat, keys.Transaction, cancellationToken), peers, blobs, time, logger);
    }

    /// <summary>The seats that are reached by links.</summary>
    public bool Reaches(int seat) => _peers.Seats.ContainsKey(_genesis.Validators.Seats[seat].Organisation);

    /// <summary>The seats with a link at this moment, in order.</summary>
    public IReadOnlyList<int> Linked => [.. Enumerable.Range(0, _links.Length).Where(seat => _links[seat].Newest is not null)];

    /// <summary>Begins to dial, to wait and to receive.</summary>
    public void Start(Action<int, ReadOnlyMemory<byte>> receive)
    {
        _receive = receive;
        for (var seat = 0; seat < _genesis.Validators.Count; seat++)
        {
            if (seat != _seat && Reaches(seat)) Keep(Dial(seat));
        }

        foreach (var relay in _peers.Relays.Where(relay => relay.Organisation != Own)) Keep(WaitAt(relay));
        var needed = _genesis.Validators.MaxFaulty + 1;
        var paths = _peers.Relays.Select(relay => relay.Organisation).Append(Own).Distinct().Count();
        var unreachable = _peers.Seats.Where(peer => peer.Value is null && peer.Key != Own).Select(peer => peer.Key.Name).ToArray();
        if (unreachable.Length > 0 && paths < needed) LogFewPaths(_logger, _seat, string.Join(", ", unreachable), needed);
    }

    /// <inheritdoc/>
    public void Send(int seat, ReadOnlyMemory<byte> message)
    {
        _links[seat].TrySend(LinkFrameKind.Message, message);
    }

    /// <summary>Takes a pipe that somebody opened to this seat, and serves it to its end.</summary>
    public async Task Accept(Stream pipe, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        try
        {
            var (stream, seat) = await LinkHandshake.AsListener(_genesis, _certificate, pipe, _seat, either.Token);
            await Run(seat, stream, either.Token);
        }
        catch (Exception exception) when (IsNetwork(exception))
        {
            LogRefused(_logger, _seat, exception.Message);
        }
    }

    /// <summary>Fetches a blob from whichever linked seat has it.</summary>
    public Task<bool> Fetch(Digest name, CancellationToken cancellationToken) =>
        _exchange.Fetch(name, [.. Enumerable.Range(1, _links.Length - 1).Select(after => _links[(_seat + after) % _links.Length].Newest).OfType<SeatLink>()], cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _certificate.Dispose();
        _exchange.Dispose();
        _stop.Dispose();
    }

    private ParticipantId Own => _genesis.Validators.Seats[_seat].Organisation;

    private void Keep(Task task)
    {
        _running[task] = true;
        _ = task.ContinueWith(ended => _running.TryRemove(ended, out _), TaskScheduler.Default);
    }

    private async Task Dial(int seat)
    {
        var wait = _seat < seat ? TimeSpan.Zero : Courtesy;
        while (!_stop.IsCancellationRequested)
        {
            await Task.Delay(wait, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_links[seat].Newest is not null)
            {
                await _links[seat].None.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                wait = _seat < seat ? FirstRetry : Courtesy;
                continue;
            }

            foreach (var way in Ways(seat))
            {
                if (_stop.IsCancellationRequested || _links[seat].Newest is not null || await Try(seat, way)) break;
            }

            wait = _links[seat].Newest is not null ? TimeSpan.Zero : wait * 2 < FirstRetry ? FirstRetry : wait * 2 > LastRetry ? LastRetry : wait * 2;
        }
    }

    private IEnumerable<Func<Task<Stream>>> Ways(int seat)
    {
        var name = _genesis.Validators.Seats[seat].Organisation;
        if (_peers.Seats[name] is { } address) yield return () => LinkPipe.ToSeat(address, _genesis, name, _stop.Token);
        foreach (var relay in _peers.Relays)
        {
            yield return async () =>
            {
                var stream = await LinkHandshake.ToRelay(_certificate, await LinkPipe.ThroughRelay(relay.Address, _genesis, name, _stop.Token), _stop.Token);
                var answer = new byte[1];
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                patience.CancelAfter(RelaySilence);
                await stream.ReadExactlyAsync(answer, patience.Token);
                if (answer[0] is Relay.Together) return stream;
                await stream.DisposeAsync();
                throw new IOException($"Seat {name} does not wait at {relay.Address}.");
            };
        }
    }

    // True when there was a link for a while.
    private async Task<bool> Try(int seat, Func<Task<Stream>> way)
    {
        try
        {
            var pipe = await way();
            var (stream, _) = await LinkHandshake.AsDialler(_genesis, _certificate, pipe, seat, _stop.Token);
            await Run(seat, stream, _stop.Token);
            return true;
        }
        catch (Exception exception)
        {
            // Whatever it was, it is tried again: a seat that gives up dialling is cut off.
            LogUnreachable(_logger, _seat, seat, exception.Message);
            return false;
        }
    }

    private async Task WaitAt(RelayAddress relay)
    {
        for (var wait = FirstRetry; !_stop.IsCancellationRequested;)
        {
            try
            {
                var stream = await LinkHandshake.ToRelay(_certificate, await LinkPipe.ToWait(relay.Address, _genesis, Own, _stop.Token), _stop.Token);
                wait = FirstRetry;
                await UntilSomebodyComes(stream);
                Keep(Accept(stream, _stop.Token));
            }
            catch (Exception exception)
            {
                LogNoRelay(_logger, _seat, relay.Address, exception.Message);
                await Task.Delay(wait, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                wait = wait * 2 < LastRetry ? wait * 2 : LastRetry;
            }
        }
    }

    private async Task UntilSomebodyComes(SslStream stream)
    {
        var word = new byte[1];
        try
        {
            do
            {
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                patience.CancelAfter(RelaySilence);
                await stream.ReadExactlyAsync(word, patience.Token);
            }
            while (word[0] is Relay.StillWaiting);
            if (word[0] is not Relay.Together) throw new IOException("A relay said something that no relay says.");
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private async Task Run(int seat, SslStream stream, CancellationToken cancellationToken)
    {
        await using var link = new SeatLink(seat, stream);
        _links[seat].Add(link);
        LogLinked(_logger, _seat, seat);
        try
        {
            await link.Run(Receive, cancellationToken);
        }
        catch (Exception exception) when (IsNetwork(exception))
        {
            LogLost(_logger, _seat, seat, exception.Message);
        }
        finally
        {
            _links[seat].Remove(link);
        }
    }

    private void Receive(SeatLink link, LinkFrameKind kind, ReadOnlyMemory<byte> content)
    {
        if (kind is LinkFrameKind.Message) _receive!(link.Seat, content);
        else _exchange.Receive(link, kind, content);
    }

    private static bool IsNetwork(Exception exception) => exception is IOException or WebSocketException or AuthenticationException or OperationCanceledException or ObjectDisposedException or InvalidDataException or HttpRequestException;

    [LoggerMessage(Level = LogLevel.Information, Message = "Seat {Seat} has a link to seat {Peer}")]
    private static partial void LogLinked(ILogger logger, int seat, int peer);

    [LoggerMessage(Level = LogLevel.Information, Message = "Seat {Seat} has lost its link to seat {Peer}: {Reason}")]
    private static partial void LogLost(ILogger logger, int seat, int peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Seat {Seat} does not reach seat {Peer}: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, int seat, int peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Seat {Seat} cannot wait at {Relay}: {Reason}")]
    private static partial void LogNoRelay(ILogger logger, int seat, Uri relay, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Seat {Seat} refused a link: {Reason}")]
    private static partial void LogRefused(ILogger logger, int seat, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Seat {Seat} can reach {Peers} only through relays of fewer than {Needed} organisations: these could cut them off")]
    private static partial void LogFewPaths(ILogger logger, int seat, string peers, int needed);
}
