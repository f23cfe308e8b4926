using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Orleans.Training.Grains.Ledger;
using Orleans.Training.Protocol;

namespace Orleans.Training.Gateway.Reading;

/// <summary>One event with its place.</summary>
internal readonly record struct PlacedEvent(EventCursor Cursor, LedgerItem Item, LedgerItemEvent Fact);

/// <summary>
/// The events of a shard, in ledger order, without gap or duplicate: the ledger is the only truth, and whenever its tail is interrupted (a silo's death, a deactivation)
/// it is asked again from the index that is due. A reader that is slow costs nothing but its own lag.
/// </summary>
internal sealed partial class EventSource(IGrainFactory grains, TimeProvider time, ILogger<EventSource> logger)
{
    private const int Batch = 64;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    public async IAsyncEnumerable<PlacedEvent> Follow(Identifier shard, EventCursor after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var item in Leaves(shard, after.Position == int.MaxValue ? after.Index + 1 : after.Index, cancellationToken))
        {
            for (var position = 0; position < item.Events.Length; position++)
            {
                if (after.IsBefore(item.Index, position)) yield return new PlacedEvent(new EventCursor(item.Index, position), item, item.Events[position]);
            }
        }
    }

    private async IAsyncEnumerable<LedgerItem> Leaves(Identifier shard, long fromIndex, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var grain = grains.GetGrain<ILedgerShardGrain>(shard.ToString());
        var due = Math.Max(0, fromIndex);
        var pause = FirstPause;
        while (true)
        {
            var tail = grain.Tail(due, cancellationToken).WithBatchSize(Batch).GetAsyncEnumerator(cancellationToken);
            try
            {
                while (await Advance(tail, shard, due, cancellationToken) && tail.Current.Index == due)
                {
                    yield return tail.Current;
                    due++;
                    pause = FirstPause;
                }
            }
            finally
            {
                await Release(tail);
            }

            cancellationToken.ThrowIfCancellationRequested();
            await Task.Delay(pause, time, cancellationToken);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    // False when the tail was interrupted, for whatever reason: the due index says where to go on.
    private async ValueTask<bool> Advance(IAsyncEnumerator<LedgerItem> tail, Identifier shard, long due, CancellationToken cancellationToken)
    {
        try
        {
            return await tail.MoveNextAsync();
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            LogInterrupted(logger, shard.ToString(), due, exception.Message);
            return false;
        }
    }

    private static async ValueTask Release(IAsyncEnumerator<LedgerItem> tail)
    {
        try
        {
            await tail.DisposeAsync();
        }
        catch (Exception)
        {
            // The silo that held it is gone, and the enumeration with it.
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The tail of shard {Shard} was interrupted at {Due} and is taken up again: {Reason}")]
    private static partial void LogInterrupted(ILogger logger, string shard, long due, string reason);
}
