using System.Formats.Cbor;
using Orleans.Training.Client.Exports;
using Orleans.Training.Grains.Validators;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Exports;
using Orleans.Training.Tests.Ledger;
using Orleans.Training.Tests.Masking;
using Orleans.Training.Tests.Rounds;

namespace Orleans.Training.Tests.Fuzz;

/// <summary>One way in for bytes from strangers: valid examples, and what comes out again (null when they are refused).</summary>
/// <param name="Name">The decoder.</param>
/// <param name="Valid">Encodings that it accepts.</param>
/// <param name="ReadAndWrite">Decodes, and encodes again.</param>
internal sealed record Decoder(string Name, IReadOnlyList<byte[]> Valid, Func<byte[], byte[]?> ReadAndWrite)
{
    private static readonly TestExport Export = new();

    /// <summary>Its name as a folder's.</summary>
    public string Folder => string.Concat(Name.Select(character => char.IsAsciiLetterOrDigit(character) ? char.ToLowerInvariant(character) : '-')).Trim('-');
    private static readonly Ledger.TestShard Governed = Contracts.TestGovernance.Example();

    private static readonly Ledger.TestShard Anchored = Contracts.AnchorTests.Example();
    private static readonly Ledger.TestShard Attesting = SnapshotOfferTests.Example();

    private static IReadOnlyList<Transaction> Transactions { get; } = [.. Export.Shard.Blocks.SelectMany(executed => executed.Block.Transactions).Select(Parse)];

    // A round with masks in which one dropped out and one fell silent.
    private static readonly MaskedLedger Masked = Unmasked();

    // Rounds with noise, until a budget is spent.
    private static readonly MaskedLedger Noisy = BudgetTests.Example();

    // Rounds with groups, of which one was left out.
    private static readonly MaskedLedger Grouped = GroupedRoundTests.Example();

    // A round whose sum was challenged, and shown by images.
    private static readonly MaskedLedger Projected = ProjectedRoundTests.Example();

    // A round with hybrid masks, one of whose dealers was blamed.
    private static readonly MaskedLedger Blamed = BlameTests.Example();

    private static readonly MaskedLedger Trusting = GroupedRoundTests.TrustingExample();

    private static IEnumerable<Transaction> GroupTransactions => Grouped.Shard.Blocks.Concat(Trusting.Shard.Blocks).SelectMany(executed => executed.Block.Transactions).Select(Parse).Where(transaction => transaction.Payload is { Contract: "draw" } or { Method: "Reference" });

    private static IEnumerable<Transaction> ProjectedTransactions => Projected.Shard.Blocks.SelectMany(executed => executed.Block.Transactions).Select(Parse).Where(transaction => transaction.Payload.Method is "Challenge" or "Project");

    private static IEnumerable<Transaction> BlamedTransactions => Blamed.Shard.Blocks.SelectMany(executed => executed.Block.Transactions).Select(Parse).Where(transaction => transaction.Payload.Method is "Blame" or "KeyAdvert");

    private static IEnumerable<Transaction> NoisyTransactions => Noisy.Shard.Blocks.SelectMany(executed => executed.Block.Transactions).Select(Parse).Where(transaction => transaction.Payload.Method is "SetBudget");

    private static IEnumerable<Transaction> MaskedTransactions => Masked.Shard.Blocks.SelectMany(executed => executed.Block.Transactions).Select(Parse).Where(transaction => transaction.Payload.Contract == "round");

    private static IEnumerable<Transaction> OtherTransactions => Governed.Blocks.Concat(Anchored.Blocks).Concat(Attesting.Blocks).SelectMany(executed => executed.Block.Transactions).Select(Parse).Where(transaction => transaction.Payload.Contract is "governance" or "anchor" or "snapshot");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Decoder> All { get; } = [.. Ledger(), .. Calls(), .. Records(), .. Consensus(), .. Stored(), .. Models(), .. Masks(), .. Texts()];

    private static Genesis Genesis => Export.Shard.Genesis;

    private static IReadOnlyList<Block> Blocks => [.. Export.Shard.Blocks.Select(executed => executed.Block)];

    private static Transaction Parse(ReadOnlyMemory<byte> bytes) => Transaction.TryParse(bytes, out var transaction) is Rejection.None ? transaction! : throw new InvalidDataException("no transaction");

    private static Certificate Finalization => Export.Finalization(Blocks[^1], 0, 2, 3);

    // Blocks that are not much larger than their parts, so that a mutation meets the parts.
    private static IEnumerable<Block> SmallBlocks => Blocks.Where(block => block.Transactions.Count < 4);

    private static IEnumerable<Decoder> Ledger()
    {
        yield return Cbor("Wire.Digest", 64, Wire.ReadDigest, (writer, value) => writer.Write(value), Digest.Zero);
        yield return Cbor("PublicKey", 128, PublicKey.Read, (writer, value) => value.Write(writer), TestShard.Key("va").Public, Es256Key());
        yield return new("Transaction", [.. Transactions.Select(transaction => transaction.Encoded.ToArray())], bytes => Transaction.TryParse(bytes, out var transaction) is Rejection.None
            ? Transaction.Assemble(transaction!.Algorithm, transaction.Payload.Encode(), transaction.Signature) : null);
        yield return new("Block", [.. SmallBlocks.Select(block => block.Encode())], bytes => Block.TryParse(bytes, out var block) ? EncodeAgain(block!) : null);
        yield return new("Leaf", [.. Export.Shard.Blocks.SelectMany(block => LedgerState.Of(block).Leaves)], bytes => Leaf.TryParse(bytes, out var leaf) ? leaf!.Encode() : null);
        yield return new("Genesis", [Genesis.Encode()], bytes => Genesis.TryParse(bytes, out var genesis) ? genesis!.Encode() : null);
        yield return Cbor("ValidatorSet", 65_536, ValidatorSet.Read, (writer, value) => writer.WriteEncodedValue(value.Encode()), Genesis.Validators);
        yield return new("Evidence", [EvidenceTests.Of(EvidenceTests.Notarize(1), EvidenceTests.Notarize(2)).Encode()], bytes => Evidence.TryParse(bytes, out var evidence) ? evidence!.Encode() : null);
        yield return new("ForkProof", [ForkProofTests.Example.Encode()], bytes => ForkProof.TryParse(bytes, out var proof) ? proof!.Encode() : null);
        yield return new("SplitView", [SplitViewTests.SameSize.Encode(), SplitViewTests.OtherSize.Encode()], bytes => SplitView.TryParse(bytes, out var view) ? view!.Encode() : null);
        yield return new("FinalBlock", [.. Export.Shard.Blocks.Where(executed => executed.Block.Transactions.Count < 4).SelectMany(executed => new[] { FinalBlock.Of(executed, null).Encode(), FinalBlock.Of(executed, Finalization).Encode() })], bytes => FinalBlock.TryParse(bytes, out var block) ? block!.Encode() : null);
        yield return new("Snapshot", [SnapshotTests.Bytes(Export.Shard.Blocks[1]), SnapshotTests.Bytes(Export.Shard.Blocks[^1]), SnapshotTests.Bytes(BudgetTests.Example().Shard.Head)], bytes => Snapshot.TryRead(bytes, out var executed) ? SnapshotTests.Bytes(executed!) : null);
        yield return new("Export block", [.. SmallBlocks.SelectMany(block => new[] { ExportLayout.EncodeBlock(block, null), ExportLayout.EncodeBlock(block, Finalization) })],
            bytes => ExportLayout.DecodeBlock(bytes) is var (block, finalization) ? ExportLayout.EncodeBlock(block, finalization) : null);
    }

    private static MaskedLedger Unmasked()
    {
        var ledger = MaskedRoundTests.Silenced();
        foreach (var i in ledger.Masked.Fixed.Revealed.Positions) ledger.Act(i);
        ledger.HoldAll();
        return ledger;
    }

    private static IEnumerable<Decoder> Calls()
    {
        var calls = Transactions.Concat(OtherTransactions).Concat(MaskedTransactions).Concat(NoisyTransactions).Concat(GroupTransactions).Concat(ProjectedTransactions).Concat(BlamedTransactions).Select(transaction => (Name: $"{transaction.Payload.Contract}.{transaction.Payload.Method}", Arguments: transaction.Payload.Arguments.ToArray()))
            .Append(("federation.AddKey", Wire.Encode(new AddKey(TestShard.Key("more").Public).WriteArguments)))
            .Append(("federation.RevokeKey", Wire.Encode(new RevokeKey(TestShard.Key("more").Public.Id).WriteArguments)))
            .ToLookup(call => call.Item1, call => call.Item2);
        foreach (var name in ContractCalls.Methods)
        {
            var parts = name.Split('.');
            yield return new(name, [.. calls[name]], bytes => ContractCalls.TryRead(parts[0], parts[1], bytes, out var call) is Rejection.None ? Wire.Encode(call!.WriteArguments) : null);
        }

        var agreement = Transactions.Select(transaction => transaction.Payload).First(payload => payload is { Contract: "agreement", Method: "Propose" });
        ContractCalls.TryRead("agreement", "Propose", agreement.Arguments, out var propose);
        yield return new("TrainingAgreement", [((ProposeAgreement)propose!).Agreement.Encode(), (Masked.Agreement with { Training = Masked.Agreement.Training with { RecordNoise = new(1_000_000, 1_100_000) } }).Encode(), Masked.Agreement.Encode(), Noisy.Agreement.Encode(), Grouped.Agreement.Encode(), Projected.Agreement.Encode(), Blamed.Agreement.Encode(), Trusting.Agreement.Encode()], bytes => TrainingAgreement.TryParse(bytes, out var read) ? read!.Encode() : null);
        yield return Cbor("Policy", 128, Policy.Read, (writer, value) => value.Write(writer), Protocol.Contracts.Policy.Open, new Policy(3, 5, 3, 2_000_000_000_000, true));
        yield return Cbor<RobustRule>("RobustRule", 64, RobustRule.Read, (writer, value) => value.Write(writer), new CoordinateMedian(), new CentredClipping(4000, 3), new MultiKrum(1, 2));
        yield return Cbor("FixedPoint", 128, FixedPoint.Read, (writer, value) => value.Write(writer), FixedPoint.Create(1, 4), FixedPoint.Create(10, 1000));
    }

    private static IEnumerable<Decoder> Records()
    {
        // Every state that the run went through, so that records stand in all their phases.
        var records = Export.Shard.Blocks.Concat(Governed.Blocks).Concat(Anchored.Blocks).Concat(Attesting.Blocks).SelectMany(block => LedgerState.Of(block).Contracts.Records)
            .Concat(Masked.Shard.State.Records).Concat(Trusting.Shard.State.Records).Concat(Projected.Shard.State.Records).Concat(Blamed.Shard.State.Records).Concat(Grouped.Shard.Blocks.SelectMany(block => LedgerState.Of(block).Contracts.Records)).Concat(Noisy.Shard.Blocks.SelectMany(block => LedgerState.Of(block).Contracts.Records)).ToLookup(pair => pair.Key[..(pair.Key.IndexOf('/', pair.Key.StartsWith("masks/", StringComparison.Ordinal) || pair.Key.StartsWith("checks/", StringComparison.Ordinal) ? 7 : 0) + 1)], pair => pair.Value.Encode());
        // The draw of an attempt's graph, which needs more participants than examples have.
        var graph = new DrawRecord(2, [new Lot(TestShard.Key("va").Public.Id, Digest.Zero, null)], 7, "rounds/x/000001/1").Encode();
        foreach (var prefix in new[] { ParticipantRecord.Prefix, DatasetRecord.Prefix, BudgetRecord.Prefix, AgreementRecord.Prefix, DrawRecord.Prefix, RunRecord.Prefix, RoundRecord.Prefix, ExpiryRecord.Prefix, ModelRecord.Prefix, ValidatorsRecord.Prefix, ChangeRecord.Prefix, ReadyRecord.Prefix, DelegationRecord.Prefix,
            MaskedRoundRecord.Prefix, MaskAdvertRecord.Prefix, MaskSharesRecord.Prefix, MaskAcknowledgementRecord.Prefix, MaskedInputRecord.Prefix, MaskReferenceRecord.Prefix, MaskConfirmRecord.Prefix, MaskRevealRecord.Prefix, SilentRevealRecord.Prefix,
            MaskHoldingRecord.Prefix, BlameRecord.Prefix, ChallengeRecord.Prefix, ImagesRecord.Prefix, UnmaskOrderRecord.Prefix, ConsumptionRecord.Prefix, ConvictionRecord.Prefix, WatchedRecord.Prefix, SplitViewRecord.Prefix, SnapshotRecord.Prefix })
        {
            yield return new($"StateRecord {prefix}", prefix == DrawRecord.Prefix ? [.. records[prefix], graph] : [.. records[prefix]], bytes => StateRecord.TryParse(prefix + "x", bytes, out var record) ? record!.Encode() : null);
        }
    }

    private static IEnumerable<Decoder> Consensus()
    {
        var block = SmallBlocks.Last();
        Vote[] votes = [Vote.Notarize(1, 2, 1, block.Digest), Vote.Nullify(1, 7), Vote.Finalize(1, 9, block.Digest)];
        SignedVote[] signed = [.. votes.Select(vote => new SignedVote(vote, 2, new byte[64]))];
        ConsensusMessage[] messages =
        [
            new Propose(2, 0, block, new byte[64], [Finalization]), new VoteMessage(signed[0]), new CertificateMessage([Finalization, Certificate.Join([signed[1]])]), new StatusMessage(1, 3, 2, 1, signed, true),
            new GetCertificates(1, 4, 300), new GetBlocks(70_000, block.Digest), new BlocksMessage(Finalization, [block]), new BlocksMessage(null, []), new TransactionGossip([.. Transactions.Take(2)]),
            new CosignatureMessage(12, "line"u8.ToArray()), new EraProof([new EraLink(Finalization, block.HeaderBytes, Genesis.Validators)]), new GetSnapshot(2, 70_000),
            SnapshotOfferTests.Offer(Attesting), SnapshotOfferTests.Offer(Attesting) with { Links = [new EraLink(Finalization, block.HeaderBytes, Genesis.Validators)] },
        ];
        yield return new("Vote", [.. votes.Select(vote => vote.Encode())], bytes => Vote.TryParse(bytes, out var vote) ? vote.Encode() : null);
        yield return new("Certificate", [Finalization.Encode().ToArray(), Certificate.Join([signed[1]]).Encode().ToArray()], bytes => Certificate.TryParse(bytes, out var certificate) ? certificate!.Encode().ToArray() : null);
        yield return new("ConsensusMessage", [.. messages.Select(message => message.Encode().ToArray())], bytes => ConsensusMessage.TryParse(bytes, out var message) ? message!.Encode().ToArray() : null);
        var guard = VoteGuard.Empty(1);
        foreach (var vote in votes) guard.TryAdmit(vote, vote.PreimageDigest(Genesis.Chain, Genesis.Shard), out guard);
        yield return new("VoteGuard", [guard.Encode(), VoteGuard.Empty(3).Encode()], bytes => VoteGuard.TryDecode(bytes, out var read) ? read!.Encode() : null);
    }

    // What lies on a disk is not believed either.
    private static IEnumerable<Decoder> Stored()
    {
        yield return new("Validator", [.. Genesis.Validators.Seats.Select(seat => seat.Encode())], bytes => Validator.TryParse(bytes, out var seat) ? seat!.Encode() : null);
        yield return new("GovernanceState", [.. Governed.Blocks.Select(LedgerState.Of).Select(state => GovernanceState.Of(state).Encode()).DistinctBy(Convert.ToHexString)], bytes => GovernanceState.TryParse(bytes, out var state) ? state!.Encode() : null);
        JournalRecord[] records = [new(JournalRecordKind.Guard, VoteGuard.Empty(1).Encode()), new(JournalRecordKind.Block, SmallBlocks.First().Encode()), new(JournalRecordKind.Joined, new byte[3])];
        yield return new("JournalRecords", [Joined(records), Joined(records[..1])], bytes => JournalFormat.TryReadRecords(bytes, out var read) ? Joined(read) : null);
    }

    // Kind, length (32 bit, big-endian), bytes.
    private static byte[] Joined(IEnumerable<JournalRecord> records) => [.. records.SelectMany(record =>
    {
        var head = new byte[5];
        head[0] = (byte)record.Kind;
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(1), record.Content.Length);
        return (byte[])[.. head, .. record.Content.Span];
    })];

    private static IEnumerable<Decoder> Models()
    {
        var spec = ModelSpec.Logistic(5);
        yield return new("ModelSpec", [spec.Encoded.ToArray(), ModelSpec.LeNet().Encoded.ToArray(), ModelSpec.McMahanConvolutional().Encoded.ToArray()], bytes => ModelSpec.TryParse(bytes, out var read) ? Wire.Encode(read.Write) : null);
        yield return new("ModelBlob", [ModelBlob.Write(spec, new float[6]), ModelBlob.Write(spec, [1, -2, float.MaxValue, float.Epsilon, 0.1f, -0f]), ModelBlob.Write(spec, new float[6], new float[6]), ModelBlob.Write(spec, new float[6], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -12])],
            bytes => ModelBlob.TryRead(spec, bytes, out var parameters, out var state) ? ModelBlob.Write(spec, parameters, state) : null);
        yield return Cbor("ServerStrategy", 128, ServerStrategy.Read, (writer, value) => value.Write(writer), ServerStrategy.FedAvg, new ServerStrategy(ServerRule.FedAvg, 500_000), new ServerStrategy(ServerRule.FedYogi, 10_000, 900_000, 990_000, 1_000));
        yield return new("UpdateBlob", [UpdateBlob.Write([1, -2, int.MaxValue, int.MinValue, 0, 7])], bytes => UpdateBlob.TryRead(bytes, 6, out var lanes) ? UpdateBlob.Write(lanes) : null);
    }

    private static IEnumerable<Decoder> Masks()
    {
        var world = MaskParticipantTests.Masked(7, out var everybody);
        world.Inputs.Remove(0);
        world.Confirm(everybody[1..]);
        world.Reveal(everybody[1..]);
        var silent = (RevealSilent)world.Step(1, new SilentClosed(world.Order.ComputeDigest(), [2, 3], 1, 2)).Message!;
        world.Step(1, new AttemptClosed());
        var layout = world.Setups[0].Layout;
        var hybrid = new MaskWorld(3, exchange: KeyExchange.Hybrid);
        hybrid.Open(hybrid.Everybody);
        hybrid.Share(hybrid.Everybody);
        hybrid.Acknowledge(hybrid.Everybody);
        yield return new("MaskRecord", [.. world.Journals[1].Concat(hybrid.Journals[1].Skip(1)).Select(record => record.Bytes.ToArray())], bytes => MaskRecord.TryRead(bytes, out var record) ? MaskRecord.Write(record.Decode()).Bytes.ToArray() : null);
        yield return new("ShareOpenings", [silent.Openings.Bytes.ToArray(), world.Reveals[1].Openings.Bytes.ToArray()], bytes => ShareOpenings.TryRead(bytes, out var openings) ? ShareOpenings.Create(openings.Kind, openings.Entries).Bytes.ToArray() : null);
        yield return new("ShareBlob", [world.Dealt[2].Blob!.Value.ToArray()], bytes => ShareBlob.TryRead(bytes, world.States[2].Graph!, 2, KeyExchange.X25519, out var blob) ? [.. Enumerable.Range(1, blob.Count).SelectMany(point => (byte[])[.. blob.Leaf(ShareKind.Seed, point).ToArray(), .. blob.Leaf(ShareKind.Self, point).ToArray(), .. blob.Envelope(point)])] : null);
        yield return new("MaskedInput", [world.Inputs[1].Bytes!.Value.ToArray()], bytes => MaskedInput.Check(layout, world.Inputs[1].Root, bytes) is MaskFault.None ? bytes : null);
    }

    private static IEnumerable<Decoder> Texts()
    {
        var tree = Export.Shard.Tree();
        var note = Export.Checkpoint(tree, 50);
        var key = TrustPolicy.CosignKey(Genesis.Validators.Seats[0]);
        var policy = TrustPolicy.Text(Genesis.Origin, Genesis.Validators);
        // What a policy decides is no encoding: it gives its own bytes, and is asked about a good note.
        yield return Text("TrustPolicy", text => TrustPolicy.TryParse(text, out var read, out _) && Enum.IsDefined(read!.Accepts(note)) ? text : null, policy, "quorum none\n", policy.Replace("quorum validators", "group a any v0 v1\ngroup b all a v2\nquorum b", StringComparison.Ordinal));
        yield return Text("NoteKey", text => NoteKey.TryParse(text, out var read) ? read!.ToString() : null, key.ToString(), new NoteKey(Genesis.Origin, NoteKeyKind.Log, key.Key).ToString());
        yield return Text("NoteSignature", text => NoteSignature.TryParse(text, out var read) ? read!.ToString()[..^1] : null, [.. note.Signatures.Select(line => line.ToString()[..^1])]);
        yield return Text("SignedNote", text => SignedNote.TryParse(text, out var read) ? Asked(read!, key).ToString() : null, note.ToString(), "text\nmore\n\n" + note.Signatures[0]);
        yield return Text("Checkpoint", text => Checkpoint.TryParse(text, out var read) ? read!.Text : null, note.Text, new Checkpoint("x", 0, MerkleHash.Empty).Text);
        yield return Text("WitnessRequest", text => WitnessRequest.TryParse(text, out var read) && Enum.IsDefined(read!.Judge([new NoteKey(Genesis.Origin, NoteKeyKind.Log, key.Key)], _ => null, out _)) ? read.ToString() : null, new WitnessRequest(0, [], note).ToString(), new WitnessRequest(7, [Digest.Zero, tree.Root(50)], note).ToString());
        yield return Text("Receipt", text => Receipt.TryParse(text, out var read) && Enum.IsDefined(read!.Verify(Export.Policy)) ? read.ToString() : null, [.. Enumerable.Range(0, 4).Select(index => TextOf(Export.Files[ExportLayout.Receipt(index)]))]);
        yield return Text("Digest", text => Digest.TryParse(text, out var read) && string.Equals(read.ToString(), text, StringComparison.OrdinalIgnoreCase) ? text : null, tree.Root(50).ToString());
        yield return Text("Identifier", text => Identifier.TryParse(text, out var read) && string.Equals(read.ToString(), text, StringComparison.OrdinalIgnoreCase) ? text : null, key.Key.Id.ToString());
        yield return Text("ParticipantId", text => ParticipantId.TryParse(text, out var read) ? read.Name : null, "va", "a-b-3", new string('x', 63));
    }

    private static SignedNote Asked(SignedNote note, NoteKey key)
    {
        // Lines under a known key's name and id are verified whatever else they hold.
        Assert.All(note.Signatures, line => SignedNote.Verify(note.Text, key, line));
        return note;
    }

    private static string TextOf(byte[] utf8) => System.Text.Encoding.UTF8.GetString(utf8);

    private static Decoder Text(string name, Func<string, string?> readAndWrite, params string[] valid) =>
        new(name, [.. valid.Select(TextBytes.Of)], bytes => readAndWrite(TextBytes.Text(bytes)) is { } text ? (text == TextBytes.Text(bytes) ? bytes : TextBytes.Of(text)) : null);

    private static Decoder Cbor<T>(string name, int limit, Func<CborReader, T> read, Action<CborWriter, T> write, params T[] valid) =>
        new(name, [.. valid.Select(value => Wire.Encode(writer => write(writer, value)))], bytes => Wire.TryDecode(bytes, limit, read, out var value) ? Wire.Encode(writer => write(writer, value)) : null);

    private static byte[] EncodeAgain(Block block) => Wire.Encode(writer =>
    {
        writer.WriteStartArray(2);
        writer.WriteByteString(block.Header.Encode());
        writer.WriteByteString(Block.EncodeBody(block.Transactions));
        writer.WriteEndArray();
    });

    private static PublicKey Es256Key()
    {
        var point = Convert.FromHexString("0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Es256, point, out var key));
        return key!;
    }
}
