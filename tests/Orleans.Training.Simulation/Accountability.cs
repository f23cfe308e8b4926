using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Simulation;

/// <summary>What is left of a seed in which more lied than can be borne: whether the honest ended up with two chains, and whom their journals name.</summary>
/// <param name="Forked">Two honest validators hold other final blocks at one height.</param>
/// <param name="Needed">f + 1.</param>
/// <param name="Proof">What the certificates in the journals of the honest prove, or null.</param>
internal sealed record Accountability(bool Forked, int Needed, ForkProof? Proof)
{
    /// <summary>Runs a seed with 2q − n liars and twins.</summary>
    /// <exception cref="InvariantException">I10: an honest one is named. I11: a fork that names too few. I4: an honest one contradicts itself.</exception>
    public static Accountability Run(ulong seed, Action<string>? trace = null)
    {
        var world = new World(seed, Mutant.None, trace, overBudget: true);
        world.RunOverBudget();
        return Judge(world);
    }

    private static Accountability Judge(World world)
    {
        var honest = world.Hosts.Where(host => host.IsHonest).ToList();
        var proof = ForkProof.Find(SimulatedMachine.Chain, SimulatedMachine.Shard, world.Validators, honest.SelectMany(Stored));
        var verdict = new Accountability(honest.Any(one => honest.Any(other => AreForked(one, other))), world.Validators.MaxFaulty + 1, proof);
        foreach (var signer in proof?.Signers ?? [])
        {
            if (world.Profile.Behaviours[signer.Seat] is not (Behaviour.Liar or Behaviour.Twins)) throw new InvariantException($"I10: honest seat {signer.Seat} is named for {proof!.First} and {proof.Second}");
        }

        if (proof is not null && (proof.Signers.Count < verdict.Needed || Evidence.FaultOf(proof.First, proof.Second) is FaultKind.None)) throw new InvariantException($"I11: {proof.Signers.Count} named for {proof.First} and {proof.Second}, {verdict.Needed} needed");
        if (verdict.Forked && proof is null) throw new InvariantException("I11: a fork, and the stored certificates name nobody");
        // Ten seats are the most here; what a proof takes is two votes, and a key with two signatures for each.
        if (proof is not null && (proof.Encode().Length > 2048 || !ForkProof.TryParse(proof.Encode(), out _))) throw new InvariantException("I11: the proof is no small file");
        return verdict;
    }

    private static bool AreForked(Host one, Host other) => one.Final.Blocks.Zip(other.Final.Blocks).Any(pair => pair.First.Digest != pair.Second.Digest);

    private static IEnumerable<Certificate> Stored(Host host)
    {
        foreach (var record in host.Journal.Durable)
        {
            if (record.Kind is JournalRecordKind.Certificate or JournalRecordKind.Final && Certificate.TryParse(record.Content, out var certificate)) yield return certificate!;
        }
    }
}
