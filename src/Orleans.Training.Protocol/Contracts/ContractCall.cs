using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Contracts;

/// <summary>
/// One method of a contract with its arguments: the record that a client builds, the ledger carries encoded, and every validator applies.
/// A new kind is one record here and one line in <see cref="ContractCalls"/>.
/// </summary>
public abstract record ContractCall
{
    /// <summary>The contract's name.</summary>
    public abstract string Contract { get; }

    /// <summary>The method's name.</summary>
    public abstract string Method { get; }

    /// <summary>Writes the arguments as one CBOR array.</summary>
    public abstract void WriteArguments(CborWriter writer);

    /// <summary>Checks the call against the state, and applies it when nothing stands against it.</summary>
    internal abstract Rejection Apply(ContractContext context);
}

/// <summary>The table of all calls.</summary>
public static class ContractCalls
{
    private static readonly Dictionary<(string Contract, string Method), Func<CborReader, ContractCall>> Readers = new()
    {
        [("federation", "Admit")] = Admit.Read,
        [("federation", "AddKey")] = AddKey.Read,
        [("federation", "RevokeKey")] = RevokeKey.Read,
        [("dataset", "Register")] = RegisterDataset.Read,
        [("dataset", "SetBudget")] = SetBudget.Read,
        [("agreement", "Propose")] = ProposeAgreement.Read,
        [("agreement", "Accept")] = AcceptAgreement.Read,
        [("draw", "Commit")] = CommitLot.Read,
        [("draw", "Reveal")] = RevealLot.Read,
        [("round", "Open")] = RoundOpen.Read,
        [("round", "InputCommit")] = InputCommit.Read,
        [("round", "Held")] = Held.Read,
        [("round", "AggregateProposal")] = AggregateProposal.Read,
        [("round", "Attest")] = Attest.Read,
        [("round", "Challenge")] = ChallengeSum.Read,
        [("round", "Project")] = ProjectInputs.Read,
        [("round", "KeyAdvert")] = AdvertiseMaskKeys.Read,
        [("round", "ShareCommit")] = CommitMaskShares.Read,
        [("round", "ShareAck")] = AcknowledgeMaskShares.Read,
        [("round", "MaskedInput")] = CommitMaskedInput.Read,
        [("round", "Reference")] = CommitReference.Read,
        [("round", "Confirm")] = ConfirmUnmasking.Read,
        [("round", "Reveal")] = RevealMasks.Read,
        [("round", "RevealSilent")] = RevealSilentMasks.Read,
        [("round", "Blame")] = BlameDealer.Read,
        [("round", "HeldMasked")] = HoldMaskBlobs.Read,
        [("governance", "Propose")] = ProposeChange.Read,
        [("governance", "Vote")] = VoteOnChange.Read,
        [("governance", "Ready")] = Ready.Read,
        [("governance", "Redelegate")] = Redelegate.Read,
        [("governance", "Convict")] = Convict.Read,
        [("anchor", "Watch")] = Watch.Read,
        [("anchor", "Checkpoint")] = RecordCheckpoint.Read,
        [("snapshot", "Attest")] = AttestSnapshot.Read,
    };

    /// <summary>The names of all methods, in ordinal order.</summary>
    public static IEnumerable<string> Methods => Readers.Keys.Select(name => $"{name.Contract}.{name.Method}").Order(StringComparer.Ordinal);

    /// <summary>Reads a call: <see cref="Rejection.UnknownMethod"/> or <see cref="Rejection.BadArguments"/> for what is none.</summary>
    public static Rejection TryRead(string contract, string method, ReadOnlyMemory<byte> arguments, out ContractCall? call)
    {
        call = null;
        if (!Readers.TryGetValue((contract, method), out var read)) return Rejection.UnknownMethod;
        return Wire.TryDecode(arguments, Limits.TransactionBytes, read, out call!) ? Rejection.None : Rejection.BadArguments;
    }
}
