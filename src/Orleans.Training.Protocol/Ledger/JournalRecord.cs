namespace Orleans.Training.Protocol.Ledger;

/// <summary>What a record of a validator's journal holds; numbers never change (docs/spec/store.md).</summary>
public enum JournalRecordKind : byte
{
    /// <summary>The vote guard, 96 bytes; the last one counts.</summary>
    Guard = 1,
    /// <summary>A block that this validator voted for, proposed or fetched.</summary>
    Block = 2,
    /// <summary>A certificate that this validator relied on.</summary>
    Certificate = 3,
    /// <summary>A finalization certificate: its block and that block's ancestors are final.</summary>
    Final = 4,
    /// <summary>A vote that was asked for, unsigned; with the guard that admits it. The last of each kind is signed and sent again after a restart.</summary>
    Vote = 5,
    /// <summary>Where this validator has joined: a <see cref="SnapshotOffer"/> with the links of all eras. What is final before it may not be in the journal.</summary>
    Joined = 6,
}

/// <summary>One record of a validator's journal: consensus writes it, the store keeps it, recovery reads all of them in order.</summary>
public readonly record struct JournalRecord(JournalRecordKind Kind, ReadOnlyMemory<byte> Content);
