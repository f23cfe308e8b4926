using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.History;

/// <summary>The past of a snapshot as it comes in, block by block: none is believed without a finalization, all are executed, and in the end they must give the attested state.</summary>
/// <param name="genesis">The ledger's genesis.</param>
/// <param name="past">The chain as far as it is known; it grows up to the target.</param>
/// <param name="target">The snapshot whose past is wanted.</param>
internal sealed class PastRun(Genesis genesis, CommittedChain past, SnapshotRecord target)
{
    private readonly FinalRun _run = new(genesis, new LedgerMachine(genesis, new VerifiedSignatures(1).Verify));

    public bool IsWhole => past.Head.Block.Header.Height >= target.Height;

    /// <summary>What to ask somebody for. Of a block that nobody has: so that the answer comes from what is final, with its finalization.</summary>
    public GetBlocks Question => new((ulong)_run.Next(past.Head) - 1, Digest.Zero);

    /// <summary>Takes an answer and gives what of it is final and was executed; null when it is no good, and then whatever waited is forgotten.</summary>
    public IReadOnlyList<ExecutedBlock>? Take(BlocksMessage answer)
    {
        if (_run.Take(past.Head, answer.Blocks, answer.Final, target.Height) is not { } executed)
        {
            Forget();
            return null;
        }

        foreach (var block in executed) past.Append(block, block.Block.Digest == answer.Final!.Digest ? answer.Final : null);
        return executed;
    }

    /// <summary>There was no answer.</summary>
    public void Forget() => _run.Forget();

    /// <summary>The whole past.</summary>
    /// <exception cref="LedgerCorruptException">OT-4015: it gives another state than was attested.</exception>
    public CommittedChain Finish()
    {
        var head = past.Head;
        if (head.Block.Digest != target.Block || Snapshots.NameOf(head) != target.Name)
            throw new LedgerCorruptException("OT-4015", $"A quorum has attested the snapshot {target.Name} of block {target.Height}, and its blocks give another state: more validators lie than the ledger bears. This validator stops. Show the ledger's entries of 'snapshot.Attest' to the others.");
        return past;
    }
}
