using System.Collections.Concurrent;
using System.Globalization;
using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Contracts;
using Xunit.Abstractions;

namespace Orleans.Training.Tests.Ledger;

/// <summary>
/// What holds for the ledger whatever is sent: sequences of good, refused and inadmissible transactions at random. A failure names its seed; CsCheck_Seed repeats it.
/// </summary>
public sealed class LedgerPropertyTests(ITestOutputHelper output)
{
    private static readonly string[] Actors = [.. TestShard.Hospitals, "trainer", "outsider"];

    // One step: who, what, with which id and expiry, which spoiling, and how long after.
    private static readonly Gen<(int Actor, int Call, int Id, int Spoiling, int AfterMs)> Step = Gen.Select(Gen.Int[0, 5], Gen.Int[0, 47], Gen.Int[0, 40], Gen.Int[0, 19], Gen.Frequency((8, Gen.Int[1, 20]), (1, Gen.Int[1, 90_000])));

    private static readonly Gen<(int Actor, int Call, int Id, int Spoiling, int AfterMs)[][]> Blocks = Step.Array[0, 6].Array[1, 40];

    // The build knows no cultures but this one can be made: nothing that is hashed may be written its way.
    private static readonly CultureInfo Strange = new("")
    {
        NumberFormat = new NumberFormatInfo { NegativeSign = "~", PositiveSign = "&", NumberDecimalSeparator = "!", NumberGroupSeparator = "'", NumberGroupSizes = [1], NumberDecimalDigits = 5 },
        DateTimeFormat = new DateTimeFormatInfo { DateSeparator = "#", TimeSeparator = "#", ShortDatePattern = "y" },
    };

    [Fact]
    public void Ledger_KeepsItsPromises_WhateverIsSent()
    {
        var (entries, refused, left) = (0L, 0L, 0L);
        var events = new ConcurrentDictionary<string, int>();
        Blocks.Sample(
            blocks =>
            {
                var chain = new Chain();
                foreach (var steps in blocks) chain.Next(steps);
                chain.CheckReplay();
                Interlocked.Add(ref entries, chain.Entries);
                Interlocked.Add(ref refused, chain.Refused);
                Interlocked.Add(ref left, chain.LeftOut);
                foreach (var (type, count) in chain.Events) events.AddOrUpdate(type, count, (_, sum) => sum + count);
            },
            iter: 150, threads: 2);
        output.WriteLine($"{entries} entries, {refused} of them refused by a contract, {left} inadmissible transactions left out; {string.Join(", ", events.OrderBy(pair => pair.Key, StringComparer.Ordinal))}");
        Assert.All(new[] { "KeyAdded", "InputsFixed", "RoundFailed", "AggregateProposed", "ModelPublished" }, type => Assert.True(events.ContainsKey(type), $"{type} never happened"));
        Assert.True(entries > 1_000 && refused > 300 && left > 300);
    }

    // Strings hash differently in every process: a digest that depended on the order of a hash table would not be this one again.
    [Fact]
    public void Chain_HasOneDigest_InEveryProcess() => Assert.Equal("e87e7d2f010841360e098df1df8e5dc8", new Exports.TestExport().Shard.Head.Block.Digest.ToString()[..32]);

    /// <summary>One chain that grows by random steps, each block made by one machine and executed by another.</summary>
    private sealed class Chain
    {
        private readonly TestShard _shard = new();
        // One participant, so that runs of random steps get as far as a published model.
        private readonly TrainingAgreement _agreement = AgreementTests.Plan(1) with { Rounds = 2, Datasets = [new AgreedDataset(ParticipantId.Parse("va"), "heart")] };
        private readonly HashSet<TransactionKey> _committed = [];
        private readonly MerkleTree _tree = new();
        private readonly List<ExecutedBlock> _blocks;
        private readonly LedgerMachine _builder;
        private readonly LedgerMachine _executor;

        public Chain()
        {
            _builder = new LedgerMachine(_shard.Genesis, Signatures.Verify);
            _executor = new LedgerMachine(_shard.Genesis, Signatures.Verify);
            _blocks = [_builder.CreateGenesis()];
            Assert.Equal(_executor.CreateGenesis().Block.Digest, _blocks[0].Block.Digest);
            Append(_blocks[0]);
            // As far as an active agreement in good order: random steps would seldom get there.
            var digest = _agreement.ComputeDigest();
            Transaction[] prelude =
            [
                .. TestShard.Hospitals.Take(3).Select(seat => _shard.Sign(seat, new Admit(ParticipantId.Parse("va"), "name", Roles.Trainer | Roles.DataOwner, TestShard.Key("va").Public))),
                _shard.Sign("va", new RegisterDataset("heart", Digest.Zero, 1, "age")), _shard.Sign("va", new ProposeAgreement(_agreement)), _shard.Sign("va", new AcceptAgreement(digest, Policy.Open)),
            ];
            Add(Head.Block.Header.TimeMs + 1, 0, prelude);
            Assert.True(State.Find<AgreementRecord>(AgreementRecord.Key(digest))!.IsActive);
        }

        public long Entries { get; private set; }

        public long Refused { get; private set; }

        public long LeftOut { get; private set; }

        public Dictionary<string, int> Events { get; } = [];

        private ExecutedBlock Head => _blocks[^1];

        private ContractState State => LedgerState.Of(Head).Contracts;

        public void Next((int Actor, int Call, int Id, int Spoiling, int AfterMs)[] steps)
        {
            var timeMs = Head.Block.Header.TimeMs + (steps.Length == 0 ? 20_000 : steps[0].AfterMs);
            Add(timeMs, steps.Length % 4, [.. steps.Select(step => Make(step, timeMs))]);
        }

        private void Add(long timeMs, int proposer, Transaction[] sent)
        {
            var before = Head.Block.Header.TimeMs;
            var built = _builder.Build(Head, timeMs, proposer, sent);
            var culture = CultureInfo.CurrentCulture;
            ExecutedBlock? executed;
            try
            {
                CultureInfo.CurrentCulture = Strange;
                Assert.True(Block.TryParse(built.Block.Encode(), out var parsed));
                executed = _executor.Execute(Head, parsed!);
            }
            finally
            {
                CultureInfo.CurrentCulture = culture;
            }

            Assert.NotNull(executed);
            Assert.Equal(built.Block.Digest, executed.Block.Digest);
            AssertSame(built, executed);
            Assert.True(executed.Block.Header.TimeMs > before);
            Assert.Null(_executor.Execute(executed, built.Block));
            LeftOut += sent.Length - built.Block.Transactions.Count;
            _blocks.Add(executed);
            Append(executed);
        }

        /// <summary>From genesis again, with a machine that has seen nothing.</summary>
        public void CheckReplay()
        {
            var machine = new LedgerMachine(_shard.Genesis, Signatures.Verify);
            var head = machine.CreateGenesis();
            foreach (var block in _blocks.Skip(1).Select(executed => executed.Block))
            {
                Assert.True(Block.TryParse(block.Encode(), out var parsed));
                head = machine.Execute(head, parsed!);
                Assert.NotNull(head);
            }

            AssertSame(Head, head);
        }

        private void Append(ExecutedBlock executed)
        {
            var state = LedgerState.Of(executed);
            foreach (var item in state.Events.SelectMany(events => events)) Events[item.Type] = Events.GetValueOrDefault(item.Type) + 1;
            foreach (var leaf in state.Leaves)
            {
                _tree.Append(MerkleHash.Leaf(leaf));
                Assert.True(Leaf.TryParse(leaf, out var parsed));
                if (parsed is not Entry entry) continue;
                Entries++;
                if (entry.Result is not Rejection.None) Refused++;
                Assert.True(_committed.Add(new TransactionKey(entry.Actor, entry.TransactionId)), "committed twice");
            }

            Assert.Equal((_tree.Size, _tree.Root(_tree.Size)), (executed.Block.Header.TreeSize, executed.Block.Header.TreeRoot));
            Assert.Equal(state.Contracts.NextDeadlineMs, executed.NextDeadlineMs);
            Assert.True(executed.NextDeadlineMs is null || executed.NextDeadlineMs > executed.Block.Header.TimeMs, "a deadline is overdue");
        }

        private static void AssertSame(ExecutedBlock left, ExecutedBlock right)
        {
            var (one, other) = (LedgerState.Of(left), LedgerState.Of(right));
            Assert.Equal(one.Contracts.Records.Select(pair => (pair.Key, Convert.ToHexString(pair.Value.Encode()))), other.Contracts.Records.Select(pair => (pair.Key, Convert.ToHexString(pair.Value.Encode()))));
            Assert.Equal(one.Contracts.Deadlines, other.Contracts.Deadlines);
            Assert.Equal(one.Recent.OrderBy(pair => pair.Value.Index), other.Recent.OrderBy(pair => pair.Value.Index));
            Assert.Equal(one.RecentByExpiry, other.RecentByExpiry);
            Assert.Equal(one.Leaves, other.Leaves);
            Assert.Equal(one.Tree.Root, other.Tree.Root);
        }

        private Transaction Make((int Actor, int Call, int Id, int Spoiling, int AfterMs) step, long timeMs)
        {
            var actor = step.Call > 15 && Useful(State.Find<RunRecord>(RunRecord.Key(_agreement.ComputeDigest()))) == 9 ? "va" : Actors[step.Actor];
            var id = Identifier.Of([(byte)step.Id]);
            var call = Call(step.Call, actor, step.Id);
            return step.Spoiling switch
            {
                0 => _shard.Sign(actor, call, timeMs + 1_000, id, chain: Digest.Zero),
                1 => _shard.Sign(actor, call, timeMs, id),
                2 => _shard.Sign(actor, call, timeMs + Limits.ExpiryWindowMs + 1, id),
                3 => _shard.Sign(actor, call, timeMs + 1_000, id, key: TestShard.Key("nobody")),
                4 => _shard.Sign(actor, call, timeMs + 1_000, id, key: TestShard.Key(Actors[(step.Actor + 1) % Actors.Length])),
                // Ids of their own, so that enough is committed.
                _ => _shard.Sign(actor, call, timeMs + 1_000 + (step.Id * 10_000)),
            };
        }

        // The kind of call that brings the round on.
        private int Useful(RunRecord? run)
        {
            if (run is null || State.Find<RoundRecord>(RoundRecord.Key(run.Agreement, run.PublishedRounds + 1, run.Attempts + 1)) is not { } round) return 8;
            if (round.Inputs[0].Root == Digest.Zero) return 9;
            if (round.InputsDigest is null) return 11;
            return round.Proposals.Count == 0 ? 12 : 13;
        }

        private ContractCall Call(int kind, string actor, int number)
        {
            var agreement = _agreement.ComputeDigest();
            var run = State.Find<RunRecord>(RunRecord.Key(agreement));
            if (kind > 15) kind = Useful(run);
            var (round, attempt, model) = ((run?.PublishedRounds ?? 0) + 1, (run?.Attempts ?? 0) + 1, run?.Model ?? _agreement.InitialModel);
            var record = State.Find<RoundRecord>(RoundRecord.Key(agreement, round, attempt));
            var update = Digest.Of([(byte)number]);
            var proposal = new AggregateProposal(agreement, round, attempt, record?.InputsDigest ?? update, update, update, update);
            return kind switch
            {
                0 or 1 => new Admit(ParticipantId.Parse(Actors[number % Actors.Length]), "name", Roles.Trainer | Roles.DataOwner, TestShard.Key(Actors[number % Actors.Length]).Public),
                2 => new AddKey(TestShard.Key($"{actor}-{number % 4}").Public),
                3 => new RevokeKey(TestShard.Key($"{actor}-{number % 4}").Public.Id),
                4 or 5 => new RegisterDataset("heart", update, 1 + number, "age"),
                6 => new ProposeAgreement(_agreement with { Rounds = 2 + (number / 30) }),
                7 => new AcceptAgreement(agreement, Policy.Open),
                8 => new RoundOpen(agreement, round, model),
                9 or 10 => new InputCommit(agreement, round, attempt, model, update),
                11 => new Held(agreement, round, attempt, [0]),
                12 => proposal,
                13 => new Attest(agreement, round, attempt, record is { Proposals.Count: > 0 } ? record.Proposals[number % record.Proposals.Count].Digest : update, number % 4 != 0, update),
                _ => new RevokeKey(Identifier.Of([(byte)number])),
            };
        }
    }
}
