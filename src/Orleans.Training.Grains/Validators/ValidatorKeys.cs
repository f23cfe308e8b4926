using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>The keys of one seat that its host signs with; each has one role (docs/spec/receipt.md). The transaction key is the seat's identity, vote keys come and go with eras.</summary>
public sealed record ValidatorKeys(ISigner Transaction, VoteKeys Votes, ISigner Cosign, ISigner Log)
{
    /// <summary>Keys of which one votes.</summary>
    public ValidatorKeys(ISigner transaction, ISigner vote, ISigner cosign, ISigner log)
        : this(transaction, new VoteKeys([vote]), cosign, log)
    {
    }

    /// <summary>The seat that these keys can fill in a set, vote key included; −1 when there is none.</summary>
    public int SeatIn(ValidatorSet validators) =>
        validators.SeatOf(Transaction.PublicKey.Id) is >= 0 and var seat && validators.Seats[seat] is var entry
        && entry.CosignKey == Cosign.PublicKey && entry.LogKey == Log.PublicKey && Votes.Find(entry.VoteKey) is not null ? seat : -1;

    /// <summary>
    /// Destroys the vote keys that this seat had in eras that are over and that nothing needs any more: not the present set, no redelegation that waits, no change that may still be made.
    /// Keys that the ledger has not seen yet stay. May be done again at any time.
    /// </summary>
    /// <param name="past">The validators of the eras that are over.</param>
    /// <param name="state">The newest final state.</param>
    public void DestroyPastVoteKeys(IEnumerable<ValidatorSet> past, LedgerState state)
    {
        var id = Transaction.PublicKey.Id;
        var needed = new HashSet<PublicKey>();
        void Need(PublicKey? key)
        {
            if (key is not null) needed.Add(key);
        }

        Need(VoteKeyIn(state.Validators));
        if (state.Contracts.Find<DelegationRecord>(DelegationRecord.Key(id)) is { Waits: true } delegation) Need(delegation.VoteKey);
        foreach (var change in state.Contracts.All<ChangeRecord>(ChangeRecord.Prefix).Where(change => change.IsPending && change.Change.Entry?.TransactionKey.Id == id)) Need(change.Change.Entry!.VoteKey);
        foreach (var set in past)
        {
            if (VoteKeyIn(set) is { } old && !needed.Contains(old)) Votes.Destroy(old);
        }
    }

    /// <summary>The vote key that these keys' seat has in a set, or null.</summary>
    public PublicKey? VoteKeyIn(ValidatorSet validators) => validators.SeatOf(Transaction.PublicKey.Id) is >= 0 and var seat ? validators.Seats[seat].VoteKey : null;
}
