using System.Threading.Channels;
using GraphQL;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;
using Orleans.Training.Gateway.Keys;
using Orleans.Training.Gateway.Reading;
using Orleans.Training.Gateway.Transport;

namespace Orleans.Training.EndToEnd;

/// <summary>How events leave the ledger: not faster than they are taken, and whatever happens to the grain that serves them.</summary>
[Collection(Heart.Name)]
public sealed class EventFlowTests(HeartFixture heart)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task SlowSubscriber_HasNoMoreEventsOnTheirWay_ThanItMay()
    {
        using var inFlight = new SemaphoreSlim(3);
        using var stop = new CancellationTokenSource();
        var caller = new Caller("test", new HashSet<Protocol.Identifier> { heart.Federation.Shard }, Scopes.All.ToHashSet());
        var request = new GraphRequest($"subscription {{ events(federationId: \"{heart.Federation.Id}\") {{ cursor }} }}", null, null);
        var result = await heart.Host.Services.GetRequiredService<Executor>().Execute(request, new GraphCall(caller, inFlight), Carries.Everything, stop.Token);
        var events = new Arrivals();
        using var subscription = result.Streams!.Values.Single().Subscribe(events);
        for (var taken = 0; taken < 12; taken++)
        {
            await events.Next();
            // Whoever waits for a place stands in the queue of the semaphore: three are on their way, and not one more.
            Assert.InRange(events.Count, taken + 1, taken + 3);
            inFlight.Release();
        }

        await stop.CancelAsync();
    }

    [Fact]
    public async Task Subscriber_DoesNotNotice_ThatTheShardsGrainIsDeactivated()
    {
        using var limit = new CancellationTokenSource(Patience);
        var source = heart.Host.Services.GetRequiredService<EventSource>();
        var expected = await Ledgers.Events(heart.Host.Shard);
        var seen = new List<string>();
        await foreach (var placed in source.Follow(heart.Federation.Shard, EventCursor.Beginning, limit.Token))
        {
            seen.Add($"{placed.Item.Index} {placed.Fact.Type} {placed.Fact.Key}");
            if (seen.Count == expected.Count / 2) await Deactivate();
            if (seen.Count == expected.Count)
            {
                await Deactivate();
                await heart.Client.Commit(heart.Federation, "va", TestFederation.Dataset("deactivated"));
            }

            if (seen.Count > expected.Count) break;
        }

        Assert.Equal(await Ledgers.Events(heart.Host.Shard), seen);
    }

    [Fact]
    public async Task Reader_IsNotShownLess_WhenTheShardsGrainIsActivatedAgain()
    {
        const string Document = "query($id: ID!, $run: ID!) { run(id: $run) { state models { totalCount } } federation(id: $id) { ledger { head { size } size } participants { totalCount } } }";
        var before = await heart.Client.Query(Document, new { id = heart.Federation.Id, run = heart.RunId });
        for (var i = 0; i < 3; i++)
        {
            await Deactivate();
            Assert.Equal(before.ToString(), (await heart.Client.Query(Document, new { id = heart.Federation.Id, run = heart.RunId })).ToString());
        }
    }

    private async Task Deactivate() => await heart.Host.Shard.AsReference<IGrainManagementExtension>().DeactivateOnIdle();

    private sealed class Arrivals : IObserver<ExecutionResult>
    {
        private readonly Channel<ExecutionResult> _arrived = Channel.CreateUnbounded<ExecutionResult>();
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public async Task Next()
        {
            using var limit = new CancellationTokenSource(Patience);
            await _arrived.Reader.ReadAsync(limit.Token);
        }

        public void OnNext(ExecutionResult value)
        {
            Interlocked.Increment(ref _count);
            _arrived.Writer.TryWrite(value);
        }

        public void OnError(Exception error) => _arrived.Writer.TryComplete(error);

        public void OnCompleted() => _arrived.Writer.TryComplete();
    }
}
