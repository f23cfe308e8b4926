using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Links;

/// <summary>Who somebody at the other end of a link is: an organisation, by the transaction key that vouched for it.</summary>
/// <param name="Organisation">The organisation.</param>
/// <param name="Key">The id of the key.</param>
public readonly record struct LinkIdentity(ParticipantId Organisation, Identifier Key);

/// <summary>
/// Who may have links of a shard, as one state of the ledger says (docs/spec/links.md §2.1): the organisations of the present era's seats, of the era's before, which may be behind, and of
/// approved changes, which must catch up before they have a seat. At most 31 + 31 + 16, each with the transaction keys of its seats.
/// </summary>
public sealed class LinkMembers
{
    private readonly HashSet<LinkIdentity> _identities;
    private readonly HashSet<ParticipantId> _organisations;

    private LinkMembers(Genesis genesis, ValidatorSet present, IEnumerable<Validator> entries)
    {
        (Genesis, Present) = (genesis, present);
        _identities = [.. entries.Select(entry => new LinkIdentity(entry.Organisation, entry.TransactionKey.Id))];
        _organisations = [.. _identities.Select(identity => identity.Organisation)];
    }

    /// <summary>The shard's genesis.</summary>
    public Genesis Genesis { get; }

    /// <summary>The validators of the present era.</summary>
    public ValidatorSet Present { get; }

    /// <summary>As genesis says: all that one knows who does not follow the shard.</summary>
    public static LinkMembers Of(Genesis genesis) => new(genesis, genesis.Validators, genesis.Validators.Seats);

    /// <summary>As a final state says.</summary>
    public static LinkMembers Of(Genesis genesis, ContractState state)
    {
        var present = state.Find<ValidatorsRecord>(ValidatorsRecord.Key(state.Find<EraRecord>(EraRecord.Key)!.Era))!.Set;
        var previous = present.Era > genesis.Validators.Era ? state.Find<ValidatorsRecord>(ValidatorsRecord.Key(present.Era - 1))!.Set.Seats : [];
        var entering = (state.Find<AgendaRecord>(AgendaRecord.Key) ?? AgendaRecord.Empty).Approved.Select(change => state.Find<ChangeRecord>(ChangeRecord.Key(change))!.Change.Entry).OfType<Validator>();
        return new LinkMembers(genesis, present, present.Seats.Concat(previous).Concat(entering));
    }

    /// <summary>Whether this organisation may have a link with this key.</summary>
    public bool Admits(LinkIdentity identity) => _identities.Contains(identity);

    /// <summary>Whether this organisation may have links at all.</summary>
    public bool Contains(ParticipantId organisation) => _organisations.Contains(organisation);
}
