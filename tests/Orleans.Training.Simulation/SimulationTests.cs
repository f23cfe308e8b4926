using Orleans.Training.Protocol;
using Xunit.Abstractions;

namespace Orleans.Training.Simulation;

/// <summary>The correct core survives every seed, and every broken one is caught. A failing seed is replayed by ./run simulate --seed S.</summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private const ulong CorrectSeeds = 300;
    private const ulong OverBudgetSeeds = 300;
    private const ulong LedgerSeeds = 50;

    public static TheoryData<string> Mutants => [.. Mutant.All.Select(mutant => mutant.Name)];

    [Fact]
    public void Consensus_KeepsEveryInvariant_UnderEverySeed()
    {
        var (convicted, liars, torn, refused, forgotten, fenced, snapshots) = (0, 0, 0, 0, 0, 0, 0);
        for (var seed = 1UL; seed <= CorrectSeeds; seed++)
        {
            var failure = Seed.Run(seed, Mutant.None, out var world);
            Assert.True(failure is null, $"seed {seed}: {failure}");
            (convicted, liars) = (convicted + world.Convicted, liars + world.Liars);
            (torn, refused, forgotten, fenced) = (torn + world.Recoveries.Torn, refused + world.Recoveries.Refused, forgotten + world.Forgotten, fenced + world.Fenced);
            snapshots += world.FromSnapshots;
        }

        // Nobody honest is ever named (I10); of those who lie, at least half are seen to.
        output.WriteLine($"{convicted} of {liars} liars and twins named");
        Assert.True(2 * convicted >= liars, $"{convicted} of {liars}");
        // The faults of disks and activations did come about.
        output.WriteLine($"{torn} torn journals mended, {refused} damaged ones refused, {forgotten} disks forgot, {fenced} activations fenced off, {snapshots} starts from a snapshot");
        Assert.All(new[] { torn, refused, forgotten, fenced, snapshots }, count => Assert.InRange(count, 10, int.MaxValue));
    }

    [Fact]
    public void Ledger_KeepsEveryInvariant_WhileSomeJoinAndSomeAreConvicted()
    {
        var (convicted, joins, filled, refusals) = (0, 0, 0, 0);
        for (var seed = 1UL; seed <= LedgerSeeds; seed++)
        {
            var failure = Seed.Run(seed, Mutant.None, out var world, onLedger: true);
            Assert.True(failure is null, $"seed {seed} (--ledger): {failure}");
            var watch = world.Watch!;
            (convicted, joins, filled, refusals) = (convicted + watch.Convicted, joins + watch.Joins, filled + watch.Filled, refusals + watch.Refusals);
        }

        output.WriteLine($"{convicted} seats convicted, {joins} began at a snapshot, {filled} pasts fetched, {refusals} times wrong bytes refused");
        Assert.All(new[] { convicted, joins, filled }, count => Assert.InRange(count, 10, int.MaxValue));
        Assert.InRange(refusals, 1, int.MaxValue);
    }

    [Theory]
    [MemberData(nameof(Mutants))]
    public void Mutant_IsKilled_WithinTheSeeds(string name)
    {
        var mutant = Mutant.All.Single(known => known.Name == name);
        for (var seed = 1UL; seed <= mutant.Seeds; seed++)
        {
            if (Seed.Run(seed, mutant, out _) is not { } failure) continue;
            output.WriteLine($"{name} dies at seed {seed}: {failure}");
            return;
        }

        Assert.Fail($"{name} survived {mutant.Seeds} seeds");
    }

    [Fact]
    public void EveryFork_NamesMoreThanMayLie_FromStoredCertificates()
    {
        var (forks, named) = (0, 0);
        for (var seed = 1UL; seed <= OverBudgetSeeds; seed++)
        {
            var verdict = Accountability.Run(seed);
            if (!verdict.Forked) continue;
            forks++;
            Assert.InRange(verdict.Proof!.Signers.Count, verdict.Needed, Limits.Validators);
            named += verdict.Proof.Signers.Count;
        }

        output.WriteLine($"{forks} forks in {OverBudgetSeeds} seeds, {named} liars named, nobody else");
        Assert.InRange(forks, 30, (int)OverBudgetSeeds);
    }

    [Fact]
    public void Seed_GivesTheSameTrace_WhenItIsReplayed()
    {
        var first = new List<string>();
        var second = new List<string>();
        Assert.Null(Seed.Run(7, Mutant.None, out _, first.Add));
        Assert.Null(Seed.Run(7, Mutant.None, out _, second.Add));
        Assert.Equal(first, second);
    }
}
