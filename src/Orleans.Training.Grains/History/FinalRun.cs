using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>
/// Final blocks behind a head, as others answer with them: an answer may end before the block whose finalization stands for all of them, and then they wait for the next one. Nothing is executed before a quorum stands for it. <see cref="Take"/> and
/// <see cref="Forget"/> are for one thread at a time.
/// </summary>
internal sealed class FinalRun(Genesis genesis, LedgerMachine machine)
{
    private const long MaximumBytes = 64L * 1024 * 1024;
    private readonly List<Block> _waiting = [];
    private long _bytes;
    private volatile Block? _last;

    /// <summary>The height of the block to ask for.</summary>
    public long Next(ExecutedBlock head) => (long)Last(head).Header.Height + 1;

    /// <summary>Begins anew behind the head: what waits came from somebody who does not go on with it.</summary>
    public void Forget()
    {
        _waiting.Clear();
        (_bytes, _last) = (0, null);
    }

    /// <summary>Takes an answer. Gives the blocks that are final by it, executed, none while more are needed; null for what is not final, or not what follows the head.</summary>
    /// <param name="head">The newest final block that is here.</param>
    /// <param name="blocks">The answer; blocks that are here already are left out.</param>
    /// <param name="final">What finalizes the last of them; null when more are needed.</param>
    /// <param name="upTo">No block above this height is wanted.</param>
    public IReadOnlyList<ExecutedBlock>? Take(ExecutedBlock head, IEnumerable<Block> blocks, Certificate? final, ulong upTo = ulong.MaxValue)
    {
        foreach (var block in blocks.Where(block => block.Header.Height > Last(head).Header.Height))
        {
            _bytes += block.Body.Length + 1024;
            if (block.Header.Parent != Last(head).Digest || _bytes > MaximumBytes) return null;
            _waiting.Add(block);
            _last = block;
        }

        if (final is null || _waiting.Count == 0) return [];
        if (final.Kind is not VoteKind.Finalize || final.Digest != _waiting[^1].Digest || !final.Verify(LedgerState.Of(head).Validators, genesis.Chain, genesis.Shard)) return null;
        var executed = new List<ExecutedBlock>();
        foreach (var block in _waiting.TakeWhile(block => block.Header.Height <= upTo))
        {
            if (machine.Execute(executed.Count > 0 ? executed[^1] : head, block) is not { } next) return null;
            executed.Add(next);
        }

        Forget();
        return executed;
    }

    private Block Last(ExecutedBlock head) => _last is { } last && last.Header.Height > head.Block.Header.Height ? last : head.Block;
}
