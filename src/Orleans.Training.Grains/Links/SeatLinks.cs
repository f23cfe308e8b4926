using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>
/// The links of one organisation's validator to those that live elsewhere: dials those whose address is known, finds the others at relays, waits at relays to be found, and takes what
/// comes from whoever may have links (<see cref="LinkMembers"/>, docs/spec/links.md). One more link than needed does no harm (<see cref="PeerLinks"/>).
/// </summary>
public sealed partial class SeatLinks : ITransport, IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);
    // The lower seat dials first, so that most pairs have one link.
    private static readonly TimeSpan Courtesy = TimeSpan.FromMilliseconds(1500);
    private static readonly TimeSpan RelaySilence = TimeSpan.FromSeconds(30);

    private readonly Genesis _genesis;
    private readonly ParticipantId _own;
    private readonly X509Certificate2 _certificate;
    private readonly LinkPeers _peers;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly BlobExchange _exchange;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<ParticipantId, PeerLinks> _links = [];
    private readonly ConcurrentDictionary<Task, bool> _running = [];
    private Action<ParticipantId, ReadOnlyMemory<byte>>? _receive;
    private Func<LinkMembers> _members;

    private SeatLinks(Genesis genesis, ParticipantId own, X509Certificate2 certificate, LinkPeers peers, IBlobStore blobs, TimeProvider time, ILogger logger)
    {
        (_genesis, _own, _certificate, _peers, _time, _logger) = (genesis, own, certificate, peers, time, logger);
        var members = LinkMembers.Of(genesis);
        _members = () => members;
        _exchange = new BlobExchange(blobs, time);
    }

    /// <summary>The links of an organisation, which begin with <see cref="Start"/>. Its transaction key signs once.</summary>
    public static async Task<SeatLinks> Create(Genesis genesis, ParticipantId own, ISigner transactionKey, LinkPeers peers, IBlobStore blobs, TimeProvider time, ILogger logger, CancellationToken cancellationToken) =>
        new(genesis, own, await SeatCertificate.Create(genesis, own, transactionKey, cancellationToken), peers, blobs, time, logger);

    /// <summary>Whether an organisation is reached by links: the file of peers says so, or it has one.</summary>
    public bool Reaches(ParticipantId organisation) => _peers.Seats.ContainsKey(organisation) || NewestTo(organisation) is not null;

    /// <summary>The organisations with a link at this moment, in order.</summary>
    public IReadOnlyList<ParticipantId> Linked => [.. _links.Where(pair => pair.Value.Newest is not null).Select(pair => pair.Key).Order()];

    /// <summary>Begins to dial, to wait and to receive.</summary>
    /// <param name="receive">Takes what a peer sent.</param>
    /// <param name="members">Who may have links now, by the newest final state.</param>
    public void Start(Action<ParticipantId, ReadOnlyMemory<byte>> receive, Func<LinkMembers> members)
    {
        (_receive, _members) = (receive, members);
        foreach (var peer in _peers.Seats.Keys.Where(peer => peer != _own)) Keep(Dial(peer));
        foreach (var relay in _peers.Relays.Where(relay => relay.Organisation != _own)) Keep(WaitAt(relay));
        var needed = members().Present.MaxFaulty + 1;
        var paths = _peers.Relays.Select(relay => relay.Organisation).Append(_own).Distinct().Count();
        var unreachable = _peers.Seats.Where(peer => peer.Value is null && peer.Key != _own).Select(peer => peer.Key.Name).ToArray();
        var strangers = _peers.Seats.Keys.Where(peer => peer != _own && !members().Contains(peer) && _peers.Known.All(known => known.Organisation != peer)).Select(peer => peer.Name).ToArray();
        if (strangers.Length > 0) LogStrangers(_logger, _own, string.Join(", ", strangers));
        if (unreachable.Length > 0 && paths < needed) LogFewPaths(_logger, _own, string.Join(", ", unreachable), needed);
    }

    /// <inheritdoc/>
    public void Send(ParticipantId to, ReadOnlyMemory<byte> message)
    {
        if (_links.TryGetValue(to, out var links)) links.TrySend(LinkFrameKind.Message, message);
    }

    /// <summary>Takes a pipe that somebody opened to this organisation, and serves it to its end.</summary>
    public async Task Accept(Stream pipe, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        try
        {
            var (stream, peer) = await LinkHandshake.AsListener(_genesis, _certificate, pipe, _own, IsMember, either.Token);
            await Run(peer, stream, IsMember, either.Token);
        }
        catch (Exception exception) when (IsNetwork(exception))
        {
            LogRefused(_logger, _own, exception.Message);
        }
    }

    /// <summary>Fetches a blob of at most so many bytes from whichever linked organisation has it.</summary>
    public Task<bool> Fetch(Digest name, long most, CancellationToken cancellationToken)
    {
        // Not everybody begins with the same one.
        var linked = Linked;
        var first = linked.Count(peer => peer < _own);
        return _exchange.Fetch(name, most, [.. linked.Skip(first).Concat(linked.Take(first)).Select(NewestTo).OfType<SeatLink>()], cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _certificate.Dispose();
        _exchange.Dispose();
        _stop.Dispose();
    }

    private SeatLink? NewestTo(ParticipantId peer) => _links.TryGetValue(peer, out var links) ? links.Newest : null;

    private PeerLinks LinksTo(ParticipantId peer) => _links.GetOrAdd(peer, _ => new PeerLinks());

    internal bool IsMember(LinkIdentity peer) => _members().Admits(peer);

    // Who has no seat as far as its own state goes cannot know yet who has: it goes to those whom its house names. Nobody is let in for that.
    internal bool IsWanted(LinkIdentity peer)
    {
        var members = _members();
        return members.Admits(peer) || (_peers.Known.Contains(peer) && members.Present.Seats.All(seat => seat.Organisation != _own));
    }

    private void Keep(Task task)
    {
        _running[task] = true;
        _ = task.ContinueWith(ended => _running.TryRemove(ended, out _), TaskScheduler.Default);
    }

    private async Task Dial(ParticipantId peer)
    {
        var (links, first) = (LinksTo(peer), _own < peer);
        var wait = first ? TimeSpan.Zero : Courtesy;
        while (!_stop.IsCancellationRequested)
        {
            await Task.Delay(wait, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (links.Newest is not null)
            {
                await links.None.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                wait = first ? FirstRetry : Courtesy;
                continue;
            }

            foreach (var way in Ways(peer))
            {
                if (_stop.IsCancellationRequested || links.Newest is not null || await Try(peer, way)) break;
            }

            wait = links.Newest is not null ? TimeSpan.Zero : wait * 2 < FirstRetry ? FirstRetry : wait * 2 > LastRetry ? LastRetry : wait * 2;
        }
    }

    private IEnumerable<Func<Task<Stream>>> Ways(ParticipantId peer)
    {
        if (_peers.Seats[peer] is { } address) yield return () => LinkPipe.ToSeat(address, _genesis, peer, _stop.Token);
        foreach (var relay in _peers.Relays)
        {
            yield return async () =>
            {
                var stream = await LinkHandshake.ToRelay(_certificate, await LinkPipe.ThroughRelay(relay.Address, _genesis, peer, _stop.Token), _stop.Token);
                var answer = new byte[1];
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                patience.CancelAfter(RelaySilence);
                await stream.ReadExactlyAsync(answer, patience.Token);
                if (answer[0] is Relay.Together) return stream;
                await stream.DisposeAsync();
                throw new IOException($"{peer} does not wait at {relay.Address}.");
            };
        }
    }

    // True when there was a link for a while.
    private async Task<bool> Try(ParticipantId wanted, Func<Task<Stream>> way)
    {
        try
        {
            var pipe = await way();
            var (stream, peer) = await LinkHandshake.AsDialler(_genesis, _certificate, pipe, wanted, IsWanted, _stop.Token);
            await Run(peer, stream, IsWanted, _stop.Token);
            return true;
        }
        catch (Exception exception)
        {
            // Whatever it was, it is tried again: a seat that gives up dialling is cut off.
            LogUnreachable(_logger, _own, wanted, exception.Message);
            return false;
        }
    }

    private async Task WaitAt(RelayAddress relay)
    {
        for (var wait = FirstRetry; !_stop.IsCancellationRequested;)
        {
            try
            {
                var stream = await LinkHandshake.ToRelay(_certificate, await LinkPipe.ToWait(relay.Address, _genesis, _own, _stop.Token), _stop.Token);
                wait = FirstRetry;
                await UntilSomebodyComes(stream);
                Keep(Accept(stream, _stop.Token));
            }
            catch (Exception exception)
            {
                LogNoRelay(_logger, _own, relay.Address, exception.Message);
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

    private async Task Run(LinkIdentity peer, SslStream stream, Func<LinkIdentity, bool> welcome, CancellationToken cancellationToken)
    {
        var links = LinksTo(peer.Organisation);
        await using var link = new SeatLink(peer, stream);
        links.Add(link);
        LogLinked(_logger, _own, peer.Organisation);
        try
        {
            await link.Run(Receive, welcome, cancellationToken);
        }
        catch (Exception exception) when (IsNetwork(exception))
        {
            LogLost(_logger, _own, peer.Organisation, exception.Message);
        }
        finally
        {
            links.Remove(link);
        }
    }

    private void Receive(SeatLink link, LinkFrameKind kind, ReadOnlyMemory<byte> content)
    {
        if (kind is LinkFrameKind.Message) _receive!(link.Peer.Organisation, content);
        else _exchange.Receive(link, kind, content);
    }

    private static bool IsNetwork(Exception exception) => exception is IOException or WebSocketException or AuthenticationException or OperationCanceledException or ObjectDisposedException or InvalidDataException or HttpRequestException;

    [LoggerMessage(Level = LogLevel.Information, Message = "{Own} has a link to {Peer}")]
    private static partial void LogLinked(ILogger logger, ParticipantId own, ParticipantId peer);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Own} has lost its link to {Peer}: {Reason}")]
    private static partial void LogLost(ILogger logger, ParticipantId own, ParticipantId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Own} does not reach {Peer}: {Reason}")]
    private static partial void LogUnreachable(ILogger logger, ParticipantId own, ParticipantId peer, string reason);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Own} cannot wait at {Relay}: {Reason}")]
    private static partial void LogNoRelay(ILogger logger, ParticipantId own, Uri relay, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Own} refused a link: {Reason}")]
    private static partial void LogRefused(ILogger logger, ParticipantId own, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Own} is told of {Strangers} in its file of peers, who may have no links as far as it knows now: a typing error, or they have left, or are yet to come")]
    private static partial void LogStrangers(ILogger logger, ParticipantId own, string strangers);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Own} can reach {Peers} only through relays of fewer than {Needed} organisations: these could cut them off")]
    private static partial void LogFewPaths(ILogger logger, ParticipantId own, string peers, int needed);
}
