using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Simulation;
using Orleans.Training.Tests.Ledger;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Rounds;

/// <summary>Contract and participants together, in any order, with anybody gone at any time: an attempt ends with the exact sum or a named failure, and nobody is opened.</summary>
public sealed class MaskedScheduleTests(ITestOutputHelper output)
{
    [Fact]
    public void AnySchedule_EndsWithTheExactSum_OrANamedFailure()
    {
        var ends = Run(1_000, seed =>
        {
            var chance = new Chance(seed);
            // Below seven nobody may be missing for the sum.
            var groups = chance.Percent(10) ? new GroupTerms(3, 2 + chance.Below(2), new CoordinateMedian()) : null;
            if (groups is { Least: 2 }) groups = groups with { Rule = new FlTrust(), Trusted = chance.Below(10) };
            var count = groups is not null ? chance.Below(6) + 10 : chance.Percent(50) ? chance.Below(4) + 3 : chance.Below(2) + 7;
            var ledger = new MaskedLedger(count, seed, corrupt: 0, minimum: 3, groups: groups, isTrusting: true, exchange: ExchangeOf(seed));
            // Who is gone from where on; most stay.
            var gone = ledger.Everybody.ToDictionary(i => i, _ => chance.Percent(10) ? chance.Pick(MaskedLedger.Flow) : (Phase?)null);
            Assert.Equal(Rejection.None, ledger.Open());
            List<string> ends = [];
            while (true)
            {
                Drive(ledger, chance, i => gone[i] is { } phase && Array.IndexOf(MaskedLedger.Flow, ledger.Round.Phase) >= Array.IndexOf(MaskedLedger.Flow, phase), _ => { });
                ends.Add(Judge(ledger, $"seed {seed}"));
                if (ledger.Round.Phase is not Phase.Failed || ledger.Open() is not Rejection.None) break;
                gone = ledger.Everybody.ToDictionary(i => i, _ => (Phase?)null);
            }

            JudgeReveals(ledger, ledger.Everybody, $"seed {seed}");
            return ends;
        });
        Assert.True(ends.ContainsKey("sum") && ends.ContainsKey("sum of some") && ends.Keys.Any(end => end.EndsWith("in groups", StringComparison.Ordinal)) && ends.Count > 4);
    }

    [Fact]
    public void AByzantineScheduler_OpensNobody_AndChangesNoSum()
    {
        var ends = Run(10_000, seed =>
        {
            var chance = new Chance(seed);
            var count = chance.Below(5) + 4;
            // In groups of four or five one may be corrupt; here all of them are, wherever they are drawn to.
            var groups = chance.Percent(10) ? new GroupTerms(3, 3, new CoordinateMedian()) : null;
            if (groups is not null) count += 8;
            var corrupt = groups is null ? (count - 1) / 3 : 1;
            var (assumed, least) = (Math.Min(corrupt, count - 3), Math.Min(corrupt, count - 3) + 3);
            var ledger = new MaskedLedger(count, seed, assumed, least, groups: groups, isTrusting: true, exchange: ExchangeOf(seed));
            var clone = ledger.Plan("clone", assumed, least, groups: groups);
            ledger.Activate(clone, groups is not null);
            List<string> ends = [];
            for (var attempt = 0; attempt < 4; attempt++)
            {
                if (attempt == 3) ledger.Follow(clone);
                if (ledger.Open() is not Rejection.None) continue;
                Drive(ledger, chance, i => i < corrupt && chance.Percent(20), phase => Attack(ledger, chance, corrupt));
                ends.Add(Judge(ledger, $"seed {seed}"));
            }

            JudgeReveals(ledger, ledger.Everybody.Skip(corrupt), $"seed {seed}");
            return ends;
        });
        Assert.True(ends.ContainsKey("sum"));
    }

    // Hybrid secrets take many times as long; some of the schedules have them.
    private static KeyExchange ExchangeOf(ulong seed) => seed % 20 == 7 ? KeyExchange.Hybrid : KeyExchange.X25519;

    // How attempts ended, and how often. OTRAIN_SCHEDULES asks for another number of schedules, OTRAIN_SEED for the first seed.
    private SortedDictionary<string, int> Run(long usual, Func<ulong, IEnumerable<string>> schedule)
    {
        var count = long.TryParse(Environment.GetEnvironmentVariable("OTRAIN_SCHEDULES"), out var asked) ? asked : usual;
        var first = ulong.TryParse(Environment.GetEnvironmentVariable("OTRAIN_SEED"), out var seed) ? seed : (ulong)Environment.TickCount64;
        output.WriteLine($"{count} schedules, seeds from {first}");
        var ends = new SortedDictionary<string, int>(StringComparer.Ordinal);
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, run =>
        {
            try
            {
                foreach (var end in schedule(first + (ulong)run))
                {
                    lock (ends) ends[end] = ends.GetValueOrDefault(end) + 1;
                }
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"seed {first + (ulong)run}: {exception.Message}", exception);
            }
        });
        foreach (var (end, times) in ends) output.WriteLine($"{end}: {times}");
        return ends;
    }

    // Random participants and seats act, crash and come back until the attempt is over; a deadline passes only when it must or chance wants it.
    private static void Drive(MaskedLedger ledger, Chance chance, Func<int, bool> isAway, Action<Phase> between)
    {
        var idle = 0;
        while (ledger.Round.Phase is not (Phase.Failed or Phase.Published or Phase.Aggregate))
        {
            between(ledger.Round.Phase);
            if (ledger.Round.Phase is Phase.Failed or Phase.Published or Phase.Aggregate) return;
            var happened = false;
            if (chance.Percent(70))
            {
                var who = chance.Below(ledger.Names.Length);
                if (isAway(who)) happened = false;
                else if (chance.Percent(10)) ledger.Crash(who);
                else happened = ledger.Act(who) is not null;
            }
            else
            {
                happened = ledger.Hold(chance.Below(4)) is not null;
            }

            idle = happened ? 0 : idle + 1;
            if (idle < 60 && !chance.Percent(0.2)) continue;
            ledger.Expire();
            idle = 0;
        }
    }

    // Old, changed, foreign and contradictory calls, and a seat that says it holds what it has not looked at.
    private static void Attack(MaskedLedger ledger, Chance chance, int corrupt)
    {
        if (chance.Percent(60)) return;
        var name = ledger.AgreementName;
        switch (chance.Below(5))
        {
            case 0:
                var (actor, call) = chance.Pick(ledger.Sent);
                ledger.Shard.Send(actor, call is MaskedRoundCall masked && IsLiar(ledger, actor, corrupt) && chance.Percent(50) ? masked with { Agreement = name, Attempt = ledger.Attempt } : call);
                break;
            case 1:
                ledger.Shard.Send(TestShard.Hospitals[3], new HoldMaskBlobs(name, 1, ledger.Attempt, (MaskBlobKind)(chance.Below(4) + 1), MaskedLedger.SetOf(chance.Next() & 0xff | 1)));
                break;
            case 2 when corrupt > 0:
                var who = chance.Below(corrupt);
                var root = Digest.Of(BitConverter.GetBytes(chance.Next()));
                var group = ledger.Whole.GroupOf(who);
                ContractCall[] calls =
                [
                    new CommitMaskShares(name, 1, ledger.Attempt, group.Fixed.Cohort ?? root, root, root), new CommitMaskedInput(name, 1, ledger.Attempt, group.Fixed.Masks ?? root, root),
                    new AcknowledgeMaskShares(name, 1, ledger.Attempt, group.Fixed.Cohort ?? root, new[] { (byte)chance.Next() }), new ConfirmUnmasking(name, 1, ledger.Attempt, group.Order?.Order.ComputeDigest() ?? root),
                    new RevealSilentMasks(name, 1, ledger.Attempt, group.Order?.Order.ComputeDigest() ?? root, root), new CommitReference(name, 1, ledger.Attempt, root), new CommitLot(name, 1, root),
                ];
                ledger.Shard.Send(ledger.Names[who], chance.Pick(calls));
                break;
            case 3:
                // Somebody else's word under one's own name.
                if (ledger.Said.Count > 0) ledger.Shard.Send(ledger.Names[chance.Below(Math.Max(1, corrupt))], MaskedParticipation.CallOf(ledger.Whole.Groups[0], chance.Pick(ledger.Said).Message));
                break;
            default:
                ledger.Shard.Send(TestShard.Hospitals[chance.Below(4)], new RoundOpen(name, 1, ledger.Agreement.InitialModel));
                break;
        }
    }

    // The fourth seat, and the first participants: nobody else's word can be turned to another attempt.
    private static bool IsLiar(MaskedLedger ledger, string actor, int corrupt) => actor == TestShard.Hospitals[3] || Array.IndexOf(ledger.Names, actor) is >= 0 and var who && who < corrupt;

    private static string Judge(MaskedLedger ledger, string seed)
    {
        if (ledger.Round.Phase is Phase.Failed)
        {
            Assert.True(ledger.Round.Failure is { } named && Enum.IsDefined(named), seed);
            return ledger.Round.Failure.ToString()!;
        }

        var (end, kind) = ("sum", ledger.Agreement.Groups is null ? "" : " in groups");
        foreach (var group in ledger.Whole.Standing)
        {
            var sum = ledger.Sum(group, out var fault);
            // Who commits to another's update, or to none, spoils the sum, and it shows: there is no model.
            if (!group.Order!.Inputs.All(input => ledger.Said.Any(said => said.Who == input.Position && said.Message is CommitInput own && own.Root == input.Root)))
            {
                Assert.True(fault is MaskFault.CanaryMismatch or MaskFault.WeightOutOfRange, $"{seed}: {fault}");
                return fault + kind;
            }

            Assert.True(fault is MaskFault.None, $"{seed}: {fault}");
            Assert.True(ledger.PlainSum(group.Survivors.Positions).SequenceEqual(sum!), seed);
            if (group.Order!.Dropped.Count + group.Silent.Count > 0) end = "sum of some";
        }

        Assert.True(ledger.Whole.Standing.Count() >= ledger.Whole.LeastGroups, seed);
        if (ledger.Whole.Standing.Count() < ledger.Whole.Groups.Count) end = "sum without a group";
        MaskedRoundTests.Publish(ledger);
        return end + kind;
    }

    // Never both kinds about one participant by the honest, not even by different ones; nobody is in two orders about one model.
    private static void JudgeReveals(MaskedLedger ledger, IEnumerable<int> honest, string seed)
    {
        var all = honest.ToHashSet();
        foreach (var attempt in ledger.Said.Where(said => all.Contains(said.Who)).GroupBy(said => said.Message.Context))
        {
            var seeds = attempt.Select(said => said.Message).OfType<Reveal>().SelectMany(reveal => reveal.Openings.Entries).Select(entry => (int)entry.Dealer).ToHashSet();
            var selves = attempt.Select(said => said.Message).OfType<RevealSilent>().SelectMany(reveal => reveal.Openings.Entries).Select(entry => (int)entry.Dealer)
                .Concat(attempt.Where(said => said.Message is Reveal).Select(said => said.Who)).ToHashSet();
            Assert.False(seeds.Overlaps(selves), $"{seed}: both kinds of {string.Join(',', seeds.Intersect(selves))}");
            foreach (var own in attempt.GroupBy(said => (said.Who, said.Message.GetType())))
                Assert.True(own.Select(said => said.Call).Distinct().Count() == 1, $"{seed}: {own.Key} said two things");
        }

        var orders = ledger.Shard.State.All<UnmaskOrderRecord>(UnmaskOrderRecord.Prefix).SelectMany(order => order.Inputs).Select(input => (int)input.Position).ToArray();
        Assert.True(orders.Distinct().Count() == orders.Length, $"{seed}: two sums about one model with one participant");
    }
}
