using System.Formats.Cbor;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// A seat that was shown to have broken a rule: [organisation, era, fault, SHA-256 of the proof]. It stands under the id of each key that the seat had in that era and has when it is convicted, for ever: none
/// of them may stand in a validator set again. The proof itself is in the ledger's entry.
/// </summary>
/// <param name="Organisation">Whose seat it was.</param>
/// <param name="Era">The era of the set in which it was found.</param>
/// <param name="Fault">What was proven.</param>
/// <param name="Proof">SHA-256 of the file.</param>
public sealed record ConvictionRecord(ParticipantId Organisation, ulong Era, FaultKind Fault, Digest Proof) : StateRecord
{
    /// <summary>What all state keys of this kind begin with.</summary>
    public const string Prefix = "convictions/";

    /// <summary>The state key.</summary>
    public static string Key(Identifier key) => $"{Prefix}{key}";

    internal static ConvictionRecord Read(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var record = new ConvictionRecord(reader.ReadParticipant(), (ulong)reader.ReadNumber(), (FaultKind)reader.ReadNumber((int)FaultKind.TwoTrees), reader.ReadDigest());
        Wire.Require(record.Fault is not FaultKind.None);
        reader.ReadEndArray();
        return record;
    }

    /// <inheritdoc/>
    public override void Write(CborWriter writer)
    {
        writer.WriteStartArray(4);
        writer.Write(Organisation);
        writer.WriteUInt64(Era);
        writer.WriteInt32((int)Fault);
        writer.Write(Proof);
        writer.WriteEndArray();
    }
}

/// <summary>
/// Shows the ledger a proof of a fault, by whoever has it: [proof, a file of docs/spec/consensus.md §10 as a byte string]. Whose seat it is leaves with the next era, without a vote
/// (docs/spec/contracts.md, Convictions).
/// </summary>
public sealed record Convict(ReadOnlyMemory<byte> Proof) : ContractCall
{
    /// <inheritdoc/>
    public override string Contract => "governance";

    /// <inheritdoc/>
    public override string Method => "Convict";

    /// <inheritdoc/>
    public override void WriteArguments(CborWriter writer)
    {
        writer.WriteStartArray(1);
        writer.WriteByteString(Proof.Span);
        writer.WriteEndArray();
    }

    internal static Convict Read(CborReader reader)
    {
        reader.ReadArrayHead(1);
        var call = new Convict(reader.ReadBytes(FaultProof.MaximumBytes));
        Wire.Require(FaultProof.TryParse(call.Proof, out _));
        reader.ReadEndArray();
        return call;
    }

    /// <summary>The seats that a proof names, as they stood in its era; null when it is about something else than this ledger's seats. Checks no signature.</summary>
    /// <param name="state">The state of the contracts.</param>
    /// <param name="genesis">The ledger's genesis.</param>
    /// <param name="proof">The proof.</param>
    public static IReadOnlyList<Validator>? SeatsOf(ContractState state, Genesis genesis, FaultProof proof) =>
        SeatsOf(genesis, proof, proof.Era is { } era ? state.Find<ValidatorsRecord>(ValidatorsRecord.Key(era))?.Set : ValidatorsRecord.Current(state).Set);

    /// <summary>Whether a proof names a seat that the ledger has not convicted yet.</summary>
    public static bool IsNews(ContractState state, Genesis genesis, FaultProof proof) =>
        SeatsOf(state, genesis, proof)?.Any(seat => state.Find<ConvictionRecord>(ConvictionRecord.Key(seat.TransactionKey.Id)) is null) is true;

    internal override Rejection Apply(ContractContext context)
    {
        if (!FaultProof.TryParse(Proof, out var proof)) return Rejection.BadArguments;
        var validators = proof!.Era is { } era ? context.Find<ValidatorsRecord>(ValidatorsRecord.Key(era))?.Set : context.Validators;
        if (SeatsOf(context.Scope.Genesis, proof, validators) is not { } seats) return Rejection.NotProven;
        // Before the signatures, which take time.
        var guilty = seats.Where(seat => context.Find<ConvictionRecord>(ConvictionRecord.Key(seat.TransactionKey.Id)) is null).ToArray();
        if (guilty.Length == 0) return Rejection.AlreadyExists;
        if (context.Scope.Rules.Proves(proof) is var fault && fault is FaultKind.None) return Rejection.NotProven;

        foreach (var seat in guilty)
        {
            var record = new ConvictionRecord(seat.Organisation, validators!.Era, fault, Digest.Of(Proof.Span));
            var today = context.Validators.SeatOf(seat.TransactionKey.Id) is >= 0 and var at ? context.Validators.Seats[at].KeyIds : [];
            foreach (var id in seat.KeyIds.Union(today)) context.Put(ConvictionRecord.Key(id), record, id == seat.TransactionKey.Id ? "SeatConvicted" : null);
            if (context.Scope.Rules.Expels) EraContract.Expel(context, seat.TransactionKey.Id);
        }

        return Rejection.None;
    }

    /// <summary>Whether any key of a seat's entry was one of a convicted seat's.</summary>
    internal static bool Bars(ContractContext context, Validator entry) => entry.KeyIds.Any(id => context.Find<ConvictionRecord>(ConvictionRecord.Key(id)) is not null);

    private static Validator[]? SeatsOf(Genesis genesis, FaultProof proof, ValidatorSet? validators)
    {
        if (validators is null || proof.Keys.Count == 0 || !proof.IsOf(genesis)) return null;
        var seats = proof.Keys.Select(key => proof.SeatOf(validators, key)).OfType<Validator>().ToArray();
        return seats.Length == proof.Keys.Count ? seats : null;
    }
}
