using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Cluster;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Rounds;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Foreign;

/// <summary>A program written after the pages in another language verifies exports: it accepts what is right, and says by name what is wrong, where all validators lie too.</summary>
public sealed class ExportsByPythonTests(ITestOutputHelper output)
{
    private const int Digest32 = 34;

    // One honest attempt is enough for all lies about it.
    private static readonly Lazy<(MaskedLedger Ledger, RoundAggregate Aggregate, TestExport Export)> Honest = new(() =>
    {
        var (ledger, model) = MaskedExportTests.Attempt();
        var aggregate = MaskedExportTests.Compute(ledger, model);
        return (ledger, aggregate, MaskedExportTests.Publish(ledger, aggregate));
    });

    [Fact]
    public void GoodExports_AreVerified_WhoeverDropsOutOrFallsSilent()
    {
        var exports = Good().ToArray();
        var python = Verify(exports.Select(item => (item.Name, item.Export, PolicyOf(item.Export))));
        foreach (var (name, export, rounds) in exports)
        {
            output.WriteLine($"{name}: {python[name]}");
            Assert.StartsWith("VERIFIED: ", python[name], StringComparison.Ordinal);
            Assert.Equal(rounds.Length, python[name].Split(" | ").Length);
            foreach (var (line, expected) in python[name].Split(" | ").Zip(rounds)) Assert.Contains(expected, line, StringComparison.Ordinal);
            var report = export.Verify();
            Assert.Contains($"model {report.Model.ToString()![..16]} as on the ledger", python[name].Split(" | ")[^1], StringComparison.Ordinal);
            // Whoever lied is named by both, and nobody else.
            foreach (var lie in report.FalseWork)
            {
                var said = lie.Word switch
                {
                    FalseWord.Image => $"told an image of {lie.Update}'s update in round {lie.Round} that it does not have",
                    FalseWord.Proposal => $"proposed in round {lie.Round} a sum or a model that the updates do not give",
                    _ => $"said of a proposal in round {lie.Round} what is not so",
                };
                Assert.Contains($"; {lie.Actor} {said}", python[name], StringComparison.Ordinal);
            }

            Assert.Equal(report.FalseWork.Count, python[name].Split(" as on the ledger").Skip(1).Sum(part => part.Split(" | ")[0].Split("; ").Length - 1));
        }
    }

    private static IEnumerable<(string Name, TestExport Export, string[] Rounds)> Good()
    {
        const string lost = "8 of 9 in the sum, 1 dropped out, 1 silent";
        foreach (var bits in new[] { 8, 10, 12, 16, 21, 32 })
        {
            var (ledger, model) = MaskedAggregateTests.Bring(5, 9, [.. Enumerable.Range(1, 8)], 4, bits: bits);
            yield return ($"masked-{bits}", MaskedExportTests.Publish(ledger, MaskedExportTests.Compute(ledger, model)), [lost]);
        }

        yield return ("sparse", Sparse(), ["130 of 135 in the sum, 5 dropped out, 0 silent; model"]);
        yield return ("lies", MaskedExportTests.WithLies(), [$"{lost}; model"]);
        yield return ("hybrid", Publish(HybridRoundTests.Attempt().Ledger), [$"{lost}; model"]);
        yield return ("hybrid-last", Publish(HybridRoundTests.Attempt([.. Enumerable.Range(0, 8)]).Ledger), [$"{lost}; model"]);
        yield return ("projected", ProjectedRoundTests.Published(), [$"{lost}; model"]);
        (RobustRule Rule, int Participants, int Groups)[] rules = [(new CoordinateMedian(), 12, 4), (new TrimmedMean(1), 15, 5), (new MultiKrum(1, 1), 15, 5), (new Bulyan(1), 21, 7), (new CentredClipping(4000, 3), 12, 4)];
        foreach (var (rule, participants, groups) in rules)
        {
            var ledger = GroupedRoundTests.Begun(7, participants, new GroupTerms(groups, rule.LeastGroups, rule));
            ledger.Bring(Phase.Aggregate, ledger.Everybody);
            yield return ($"groups-{rule.Name}", Publish(ledger), [$"{rule.Name} of {groups} groups; group 0: 3 of 3 in the sum"]);
        }

        yield return ("groups-fltrust", Publish(GroupedRoundTests.TrustingExample()), ["fltrust of 4 groups; group 0: 3 of 3 in the sum"]);
        yield return ("groups-left-out", Publish(GroupedRoundTests.Example()), ["median of 3 groups; group 0: 3 of 3 in the sum, 0 dropped out, 0 silent; group 1 left out: TooFewKeys; group 2"]);
        yield return ("groups-of-seven", Publish(Sevens()), ["median of 4 groups; group 0: 6 of 7 in the sum, 1 dropped out, 0 silent; group 1: 7 of 7 in the sum, 0 dropped out, 1 silent; group 2: 7 of 7 in the sum, 0 dropped out, 0 silent; group 3: 7 of 7 in the sum, 0 dropped out, 0 silent; group 4 left out: TooManyDropped"]);
        yield return ("groups-spoilt", Publish(Spoilt()), ["median of 3 groups; group 0 left out: CanaryMismatch; group 1: 3 of 3"]);
        foreach (var kind in new[] { "masked", "groups", "trust", "projected" })
            yield return ($"expired-{kind}", ExpiryTests.Published(kind).Late, [", by its sum alone; model"]);
        yield return ("expired-plain", new TestExport(new TestExportPlan { Rounds = 3, Expired = 2 }), ["3 updates without masks, by its sum alone; model", "by its sum alone; model", "3 updates without masks; model"]);
        foreach (var rule in Enum.GetValues<ServerRule>())
            yield return ($"plain-{rule}", new TestExport(new TestExportPlan { Rounds = 3, FailedAttempts = 1, Strategy = new ServerStrategy(rule, 37_000, rule is ServerRule.FedAvg or ServerRule.Scaffold ? 0 : 900_000, rule is ServerRule.FedAdam or ServerRule.FedYogi ? 990_000 : 0, rule is ServerRule.FedAvg or ServerRule.FedAvgM or ServerRule.Scaffold ? 0 : 1000) }), ["round 1", "round 2", "round 3 of"]);
    }

    // More than share with all, of whom some are lost after they have shared.
    private static TestExport Sparse()
    {
        var ledger = new MaskedLedger(135, seed: 3, minimum: 20, activate: false, bound: FaultBound.Corrupt100Dropped100);
        ledger.Follow(ledger.Agreement with { InitialModel = Digest.Of(RoundAggregate.InitialModelOf(ledger.Agreement)) });
        ledger.Activate(ledger.Agreement);
        ledger.Open();
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.Aggregate, ledger.Everybody.Where(i => i % 27 != 4));
        return Publish(ledger);
    }

    // Groups of seven: one has lost somebody before the order, in one somebody falls silent, one loses too many.
    private static MaskedLedger Sevens()
    {
        var ledger = GroupedRoundTests.Begun(3, 35, new GroupTerms(5, 3, new CoordinateMedian()));
        var groups = ledger.Whole.Groups;
        int[] dropped = [groups[0].Everybody.First(), .. groups[4].Everybody.Take(2)];
        ledger.Bring(Phase.Input, ledger.Everybody);
        ledger.Bring(Phase.Unmask, ledger.Everybody.Except(dropped));
        int[] speaking = [.. ledger.Everybody.Except(dropped).Except(groups[1].Everybody.TakeLast(1))];
        ledger.Bring(Phase.RevealSilent, speaking);
        foreach (var i in speaking) ledger.Act(i);
        ledger.HoldAll();
        return ledger;
    }

    private static MaskedLedger Spoilt()
    {
        var ledger = GroupedRoundTests.Begun(4, 12, GroupedRoundTests.Median);
        ledger.Bring(Phase.Input, ledger.Everybody);
        GroupedRoundTests.SendSpoilt(ledger, ledger.Whole.Groups[0].Everybody.First(), 72);
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        return ledger;
    }

    private static TestExport Publish(MaskedLedger ledger) => MaskedExportTests.Publish(ledger, MaskedExportTests.Compute(ledger, RoundAggregate.InitialModelOf(ledger.Agreement)));

    [Fact]
    public void TamperedExports_AreRefused_ByTheSameNameAndFile()
    {
        // Statements are for other people's tools, and this program leaves them to those.
        var tampered = ExportTampering.All().Where(item => item.Fault is not ExportFault.BadStatement).Select((item, number) => (Name: $"{number}", item)).ToArray();
        // Where another policy than the export's own is meant it is the one of those whom an export usually is by.
        var honest = PolicyOf(new TestExport());
        var python = Verify(tampered.Select(pair => (pair.Name, pair.item.Export, pair.item.Policy is null ? PolicyOf(pair.item.Export) : honest)));
        foreach (var (name, (what, _, _, fault, file)) in tampered)
        {
            output.WriteLine($"{what}: {python[name]}");
            Assert.True(python[name].Split(':')[0] == $"{fault} {file}", $"{what}: {fault} {file}, but Python says {python[name]}");
        }

        Assert.True(tampered.Length >= 50, $"{tampered.Length} exports");
    }

    [Fact]
    public void EveryBitOfTheLedger_IsBoundToTheRest()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var (random, export) = (new Random(seed), new TestExport());
        var flipped = new Dictionary<string, (string Name, TestExport Export, string What)>();
        foreach (var file in export.Names.Where(name => !name.StartsWith("statements/", StringComparison.Ordinal) && (!name.StartsWith("receipts/", StringComparison.Ordinal) || random.Next(5) == 0)))
        {
            for (var again = 0; again < (file.StartsWith("blocks/", StringComparison.Ordinal) ? 4 : 1); again++)
            {
                var (copy, at, bit) = (export.Copy(), random.Next(export.Files[file].Length), random.Next(8));
                copy.Files[file] = [.. export.Files[file]];
                copy.Files[file][at] ^= (byte)(1 << bit);
                flipped.Add($"{flipped.Count}", ($"{flipped.Count}", copy, $"bit {bit} of byte {at} of {file}"));
            }
        }

        var python = Verify(flipped.Values.Select(item => (item.Name, item.Export, PolicyOf(export))));
        foreach (var (name, _, what) in flipped.Values) Assert.False(python[name].StartsWith("VERIFIED", StringComparison.Ordinal), $"seed {seed}, {what}: {python[name]}");
    }

    [Fact]
    public void LiesOfAllValidators_AreFound_ByTheirNames()
    {
        var lies = Lies().ToArray();
        var python = Verify(lies.Select(item => (item.Name, item.Export, PolicyOf(item.Export))));
        foreach (var (name, export, fault, about) in lies)
        {
            output.WriteLine($"{name}: {python[name]}");
            Assert.Throws<ExportException>(() => export.Verify());
            Assert.True(python[name].StartsWith(fault + " ", StringComparison.Ordinal) && python[name].Contains(about, StringComparison.Ordinal), $"{name}: {fault} about '{about}', but Python says {python[name]}");
        }
    }

    private static IEnumerable<(string Name, TestExport Export, string Fault, string About)> Lies() => [.. Words(), .. Openings(), .. Results(), .. Spoils(), .. Groups()];

    // One word on the ledger is another. Nine participants: p000 dropped out before the order, p004 confirmed it and fell silent.
    private static IEnumerable<(string, TestExport, string, string)> Words()
    {
        TestExport Copy() => Published(out _, out _);
        var state = Copy().Shard.State;
        yield return ("context", Copy().With(ForgedExport.Flip("round.KeyAdvert", 2, (3 * Digest32) + 1)), "WrongContext", "the keys of p002 are about another attempt");
        yield return ("seed-of-the-dropped", Copy().With(ForgedExport.Flip("round.KeyAdvert", 0, (2 * Digest32) + 1)), "DealerFault", "the secret that p000 shared");
        yield return ("copied-key", Copy().With(ForgedExport.Put("round.KeyAdvert", 3, (3 * Digest32) - 2, state.All<MaskAdvertRecord>(MaskAdvertRecord.Prefix).ElementAt(2).MaskKey.ToArray())), "DuplicateKey", "a key is advertised twice");
        yield return ("weak-key", Copy().With(ForgedExport.Put("round.KeyAdvert", 3, (3 * Digest32) - 2, new byte[32])), "WeakKey", "a key is of small order");
        yield return ("key-beyond-the-prime", Copy().With(ForgedExport.Put("round.KeyAdvert", 3, (3 * Digest32) - 2, Enumerable.Repeat((byte)255, 32))), "WeakKey", "not in its one encoding");
        yield return ("nonce", Copy().With(ForgedExport.Flip("round.KeyAdvert", 5, 1)), "WrongContext", "the shares of p000");
        yield return ("commitment-to-b", Copy().With(ForgedExport.Flip("round.ShareCommit", 1, Digest32 + 1)), "WrongSecret", "b of p001");
        yield return ("commitment-to-b-of-the-silent", Copy().With(ForgedExport.Flip("round.ShareCommit", 4, Digest32 + 1)), "DealerFault", "the secret that p004 shared");
        yield return ("acknowledgement", Copy().With(ForgedExport.Flip("round.ShareAck", 1, 1)), "WrongContext", "the masked update of p001 is about another graph");
        yield return ("acknowledgement-in-another-cohort", Copy().With(ForgedExport.Flip("round.ShareAck", 1, 3)), "WrongContext", "the acknowledgement of p001 is about another cohort");
        yield return ("records", Copy().With(ForgedExport.Flip("dataset.Register", 8, 5)), "WrongContext", "the keys of p000");
        yield return ("survivor-added", Copy().With([.. Enumerable.Range(0, 3).Select(seat => Held(MaskBlobKind.Input, seat, position: 0))]), "WrongOrder", "p001 confirmed another order");
        yield return ("survivor-left-out", Copy().With(Held(MaskBlobKind.Input, 0, position: 1)), "TooManyDropped", "an attempt that had failed was published");
        yield return ("confirm", Copy().With(ForgedExport.Flip("round.Confirm", 6, 1)), "WrongOrder", "p007 confirmed another order");
        yield return ("too-few-confirms", Copy().With([.. Enumerable.Range(0, 4).Select(at => ForgedExport.Refuse("round.Confirm", at))]), "ConfirmsMissing", "an attempt that had failed was published");
        yield return ("refused-reveal", Copy().With(ForgedExport.Refuse("round.Reveal", 2)), "RevealsMissing", "an attempt that had failed was published");
        yield return ("silent-about-another-order", Copy().With(ForgedExport.Flip("round.RevealSilent", 1, Digest32 + 1)), "WrongOrder", "p002 opened the silent about another order");
        yield return ("revealed-secret", Copy().With(ForgedExport.Flip("round.Reveal", 1, Digest32 + 1)), "WrongSecret", "b of p002");
        yield return ("reveal-about-another-order", Copy().With(ForgedExport.Flip("round.Reveal", 1, (2 * Digest32) + 1)), "WrongOrder", "p002 revealed about another order");
        yield return ("too-few-openings", Copy().With([.. Enumerable.Range(0, 2).Select(seat => Held(MaskBlobKind.Openings, seat, position: 1))]), "RevealsMissing", "an attempt that had failed was published");
        yield return ("dropped-vector", WithCopy(), "CanaryMismatch", "the sum");
        yield return ("base-model", Copy().With(ForgedExport.Flip("round.Open", 0, 1)), "WrongBaseModel", "the round begins from another model");
        yield return ("signature", Copy().With("stranger", isStale: false, ForgedExport.Flip("round.Confirm", 0, 1)), "BadSignature", "round.Confirm by p001");
        yield return ("leaf", Copy().With(signer: null, isStale: true, ForgedExport.Flip("round.Confirm", 0, 1)), "ReceiptDiffers", "another leaf than blocks/000000047.cbor has");
        yield return ("inputs", WithInputs(), "WrongInputs", "the proposal names other inputs");
        yield return ("a-word-about-nothing", Copy().With(ForgedExport.Flip("round.Attest", 0, 40)), "BlockDoesNotExecute", "round.Attest");
    }

    // A participant opens what it must not, or not what it must.
    private static IEnumerable<(string, TestExport, string, string)> Openings()
    {
        foreach (var (method, about) in new[] { ("round.Reveal", "p000"), ("round.RevealSilent", "p004") })
        {
            foreach (var (what, change) in new (string, Func<byte[], byte[]>)[]
            {
                ("share", bytes => Changed(bytes, 10)), ("salt", bytes => Changed(bytes, bytes.Length - 1)), ("point", bytes => Changed(bytes, 5)), ("dealer", bytes => Changed(bytes, 3)), ("kind", bytes => Changed(bytes, 0)),
                ("nothing", bytes => [bytes[0], 0, 0]),
            })
            {
                var export = Published(out var ledger, out _);
                var kind = method == "round.Reveal" ? MaskBlobKind.Openings : MaskBlobKind.SilentOpenings;
                var other = change(ledger.Read(ledger.Masked.RootOf(kind, 1)!.Value)!.Value.ToArray());
                export.Files[ExportLayout.Blob(ChunkedBlob.Root(other))] = other;
                export.With(ForgedExport.Put(method, 0, 32, ChunkedBlob.Root(other).ToArray()));
                yield return ($"{method}-{what}", export, "HolderFault", what is "share" or "salt" or "point" ? $"the share of {about} that p001 opens misses its leaf" : "p001 opens shares of others than it must");
            }
        }
    }

    // Files that are changed, and results about which a quorum lied.
    private static IEnumerable<(string, TestExport, string, string)> Results()
    {
        var export = Published(out var ledger, out _);
        var vector = ExportLayout.Blob(ledger.Masked.RootOf(MaskBlobKind.Input, 3)!.Value);
        export.Files[vector] = Changed(export.Files[vector], 2);
        yield return ("lane-in-the-file", export, "BadBlob", vector);
        export = Published(out ledger, out _);
        export.Files.Remove(vector);
        yield return ("vector-missing", export, "MissingBlob", vector);
        export = Published(out _, out _);
        export.Files[ExportLayout.Model] = Changed(export.Files[ExportLayout.Model], export.Files[ExportLayout.Model].Length - 1);
        yield return ("model-file", export, "ModelFileDiffers", ExportLayout.Model);
        yield return ("lane-of-the-sum", Published(aggregate => Summed(aggregate, 4)), "ModelDiffers", "the updates give another sum");
        yield return ("tail-of-the-sum", Published(aggregate => Summed(aggregate, aggregate.Sum.Length - 1)), "ModelDiffers", "the updates give another sum");
        yield return ("byte-of-the-model", Published(Modelled), "ModelDiffers", "the sum gives another model");
        yield return ("expired-sum", ExpiryTests.WrongSum(), "ModelDiffers", "the sum gives another model");
        var (expired, _, late) = ExpiryTests.Published("masked");
        yield return ("update-after-its-time", ExpiryTests.WithUpdate(late, expired), "UnexpectedFile", "blobs/");
    }

    // A survivor masked what is no update, and the validators published a model all the same.
    private static IEnumerable<(string, TestExport, string, string)> Spoils()
    {
        foreach (var (name, at, added, fault) in new[] { ("lane", 0, (short)30_000, "LaneOutOfRange"), ("padding", 63, (short)1, "CanaryMismatch"), ("canary", 64, (short)1, "CanaryMismatch"), ("weight", 76, (short)1, "WeightOutOfRange"), ("zeros", 124, (short)1, "CanaryMismatch") })
        {
            var (ledger, model) = MaskedAggregateTests.Bring(11, 12, [.. Enumerable.Range(0, 10)], -1, spoilInput: y => BitConverter.TryWriteBytes(y.AsSpan(at == 63 ? 62 : at), unchecked((short)(BitConverter.ToInt16(y, at == 63 ? 62 : at) + added))));
            yield return ($"spoilt-{name}", MaskedExportTests.Publish(ledger, MaskedExportTests.Invented(model)), fault, "the sum");
        }
    }

    // Two groups in four are spoilt, and the rule needs three; or nobody holds the update that all trust.
    private static IEnumerable<(string, TestExport, string, string)> Groups()
    {
        var ledger = GroupedRoundTests.Begun(4, 12, GroupedRoundTests.Median);
        ledger.Bring(Phase.Input, ledger.Everybody);
        foreach (var group in ledger.Whole.Groups.Take(2).ToArray()) GroupedRoundTests.SendSpoilt(ledger, group.Everybody.First(), 72);
        ledger.Bring(Phase.Aggregate, ledger.Everybody);
        yield return ("too-few-groups", MaskedExportTests.Publish(ledger, MaskedExportTests.Invented(RoundAggregate.InitialModelOf(ledger.Agreement))), "CanaryMismatch", "group 1");
        var (lying, model) = HybridRoundTests.Lying();
        yield return ("ciphertext", MaskedExportTests.Publish(lying, MaskedExportTests.Invented(model)), "DealerFault", "the ciphertext of p000 for p008");
        var trusting = Publish(GroupedRoundTests.TrustingExample());
        yield return ("trusted-update", trusting.With(ForgedExport.Refuse("round.HeldMasked", 0, arguments => arguments[^3] == (byte)MaskBlobKind.Reference)), "ReferenceMissing", "no quorum holds");
        yield return ("drawn-number", Publish(GroupedRoundTests.Example()).With(ForgedExport.Flip("draw.Reveal", 0, 1)), "WrongSecret", "a number of a draw");
    }

    private static TestExport Published(out MaskedLedger ledger, out RoundAggregate aggregate)
    {
        (ledger, aggregate, var export) = Honest.Value;
        return export.Copy();
    }

    private static TestExport Published(Func<RoundAggregate, RoundAggregate> lie)
    {
        var (ledger, model) = MaskedExportTests.Attempt();
        return MaskedExportTests.Publish(ledger, lie(MaskedExportTests.Compute(ledger, model)));
    }

    private static RoundAggregate Summed(RoundAggregate aggregate, int at) => Changed(aggregate.Sum, at) is var sum ? aggregate with { Sum = sum, SumRoot = ChunkedBlob.Root(sum) } : aggregate;

    private static RoundAggregate Modelled(RoundAggregate aggregate) => Changed(aggregate.ModelBytes, 40) is var model ? aggregate with { ModelBytes = model, Model = Digest.Of(model), ModelRoot = ChunkedBlob.Root(model) } : aggregate;

    private static byte[] Changed(byte[] bytes, int at) => [.. bytes[..at], (byte)(bytes[at] ^ 1), .. bytes[(at + 1)..]];

    // A seat holds one position less, or one more, of a kind. Sets of nine positions have two bytes, and one in front of them.
    private static ForgedExport.Lie Held(MaskBlobKind kind, int at, int position) => ForgedExport.Flip("round.HeldMasked", at, 1, arguments => arguments[^4] == (byte)kind, (byte)(1 << position));

    // The masked update of one is committed once more in the place of another's.
    private static TestExport WithCopy()
    {
        var export = Published(out var ledger, out _);
        return export.With(ForgedExport.Put("round.MaskedInput", 0, 32, ledger.Masked.RootOf(MaskBlobKind.Input, 5)!.Value.ToArray()));
    }

    // Everybody agrees on a proposal about other inputs.
    private static TestExport WithInputs()
    {
        var export = Published(out var ledger, out var aggregate);
        var inputs = Digest.Of("inputs"u8);
        var other = new AggregateProposal(ledger.Agreement.ComputeDigest(), 1, ledger.Attempt, inputs, aggregate.SumRoot, aggregate.Model, aggregate.ModelRoot).ProposalDigest.ToArray();
        return export.With([ForgedExport.Put("round.AggregateProposal", 0, (4 * Digest32) - 2, inputs.ToArray()), .. Enumerable.Range(0, 3).Select(seat => ForgedExport.Put("round.Attest", seat, 67, other))]);
    }

    [Fact]
    public void Stranger_RunsItOnAnExport_AndOnATamperedOne()
    {
        using var folder = new TemporaryFolder();
        var export = Published(out _, out _);
        export.WriteTo(folder["run"]);
        File.WriteAllText(folder["federation.policy"], PolicyOf(export));
        var said = ForeignTool.PythonProgram(0, "verify.py", folder["run"], "--trust", folder["federation.policy"]).Split('\n');
        Assert.Matches("^round 1 of [0-9a-f]{16}: 8 of 9 in the sum, 1 dropped out, 1 silent; model [0-9a-f]{16} as on the ledger$", said[0]);
        Assert.StartsWith("VERIFIED in ", said[2], StringComparison.Ordinal);

        File.Delete(folder["run/" + ExportLayout.Model]);
        Assert.EndsWith("\nNOT VERIFIED\n  MissingFile model.safetensors\n", ForeignTool.PythonProgram(1, "verify.py", folder["run"], "--trust", folder["federation.policy"]), StringComparison.Ordinal);
    }

    [Fact]
    public void VectorsOfThePages_AreComputedByIt()
    {
        var lines = ForeignTool.PythonProgram(0, "vectors.py").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (var line in lines)
        {
            var (page, value) = (line.Split(' ', 2)[0], line.Split(' ', 2)[1]);
            Assert.True(Tidy.Repository.Read($"docs/spec/{page}.md").Contains(value, StringComparison.Ordinal), $"docs/spec/{page}.md does not have {value}");
        }

        Assert.Equal(33, lines.Length);
    }

    private static string PolicyOf(TestExport export) => TrustPolicy.Text(export.Shard.Genesis.Origin, export.Shard.Genesis.Validators);

    private static Dictionary<string, string> Verify(IEnumerable<(string Name, TestExport Export, string Policy)> exports)
    {
        using var folder = new TemporaryFolder();
        var count = 0;
        foreach (var (name, export, policy) in exports)
        {
            export.WriteTo(folder[name]);
            File.WriteAllText(folder[name + ".policy"], policy);
            count++;
        }

        var python = ForeignTool.Python(folder.Path, "verifications.py");
        Assert.Equal(count, python.Count);
        return python;
    }
}
