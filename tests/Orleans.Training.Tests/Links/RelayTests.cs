using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Links;

namespace Orleans.Training.Tests.Links;

/// <summary>Who may wait at a relay, who may come, and what happens when nobody waits.</summary>
public sealed class RelayTests : IDisposable
{
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(30));
    private readonly Waiters _waiters = new();
    private readonly Relay _relay;

    public RelayTests() => _relay = new Relay(TimeProvider.System, _waiters);

    public void Dispose()
    {
        _relay.Dispose();
        _waiters.Dispose();
        _limit.Dispose();
    }

    [Fact]
    public async Task TwoSeats_AreBroughtTogether_AndShakeHandsThroughIt()
    {
        var (waiting, waitingServed) = await Open(seat: 2, at: 2, waits: true);
        var (dialling, diallingServed) = await Open(seat: 0, at: 2, waits: false);
        Assert.Equal(Relay.Together, await ReadByte(dialling));
        while (await ReadByte(waiting) is Relay.StillWaiting)
        {
            // Until somebody has come.
        }

        using var own = await TestSeats.Certificate(0);
        using var other = await TestSeats.Certificate(2);
        var listening = LinkHandshake.AsListener(TestSeats.Genesis, other, waiting, TestSeats.Name(2), TestSeats.Members.Admits, _limit.Token);
        var (stream, _) = await LinkHandshake.AsDialler(TestSeats.Genesis, own, dialling, TestSeats.Name(2), TestSeats.Members.Admits, _limit.Token);
        var (heard, peer) = await listening;
        Assert.Equal(TestSeats.Identity(0), peer);
        await stream.WriteAsync(new byte[] { 7 }, _limit.Token);
        Assert.Equal(7, await ReadByte(heard));
        await stream.DisposeAsync();
        await heard.DisposeAsync();
        Assert.True(await diallingServed);
        Assert.True(await waitingServed);
    }

    [Fact]
    public async Task WhoeverIsAlone_IsToldSo()
    {
        var (dialling, _) = await Open(seat: 0, at: 2, waits: false);
        Assert.Equal(Relay.Nobody, await ReadByte(dialling));
    }

    [Fact]
    public async Task TheNewestOfASeat_IsTaken()
    {
        var (gone, _) = await Open(seat: 2, at: 2, waits: true);
        await gone.DisposeAsync();
        var (waiting, _) = await Open(seat: 2, at: 2, waits: true);
        var (dialling, _) = await Open(seat: 1, at: 2, waits: false);
        Assert.Equal(Relay.Together, await ReadByte(dialling));
        Assert.Equal(Relay.Together, await ReadByte(waiting));
    }

    [Theory]
    [InlineData(1, 2, true, "another seat's place")]
    [InlineData(2, 2, false, "the way to itself")]
    public async Task ASeat_MayNotTakeWhatIsNotItsOwn(int seat, int at, bool waits, string what)
    {
        var (_, served) = await Open(seat, at, waits);
        Assert.False(await served, what);
    }

    [Fact]
    public async Task WhoeverIsNoSeat_IsRefused()
    {
        var pipe = new PipePair();
        var served = _relay.Serve(TestSeats.Members, TestSeats.Name(2), waits: true, pipe.Right, _limit.Token);
        using var nobody = LinkHandshake.NobodysCertificate();
        try
        {
            await LinkHandshake.ToRelay(nobody, pipe.Left, _limit.Token);
        }
        catch (Exception exception) when (exception is IOException or System.Security.Authentication.AuthenticationException)
        {
            // He may learn it at once or later.
        }

        Assert.False(await served);
    }

    private async Task<(Stream Stream, Task<bool> Served)> Open(int seat, int at, bool waits)
    {
        var pipe = new PipePair();
        var served = _relay.Serve(TestSeats.Members, TestSeats.Name(at), waits, pipe.Right, _limit.Token);
        using var certificate = await TestSeats.Certificate(seat);
        var stream = await LinkHandshake.ToRelay(certificate, pipe.Left, _limit.Token);
        // The relay's side of the handshake may end later: who comes next must find it waiting.
        if (waits && seat == at) await _waiters.Came.WaitAsync(_limit.Token);
        return (stream, served);
    }

    private async Task<byte> ReadByte(Stream stream)
    {
        var one = new byte[1];
        await stream.ReadExactlyAsync(one, _limit.Token);
        return one[0];
    }

    // The relay says of each that it waits.
    private sealed class Waiters : ILogger<Relay>, IDisposable
    {
        public SemaphoreSlim Came { get; } = new(0);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).EndsWith("waits here", StringComparison.Ordinal)) Came.Release();
        }

        public void Dispose() => Came.Dispose();
    }
}
