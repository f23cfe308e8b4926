using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Which number an organisation has in an era: that of its seat; or, for one that has none, a number behind the seats, given when it is first heard, under which it is answered. Numbers of an
/// era do not change. An organisation is reached under its first seat.
/// </summary>
internal sealed class EraPeers
{
    /// <summary>Organisations without a seat that are heard in one era; far more than may have links at once.</summary>
    internal const int MostOthers = 256;

    private readonly ValidatorSet _validators;
    private readonly List<ParticipantId> _others;

    /// <param name="validators">The era's validators.</param>
    /// <param name="known">Organisations that there is a way to: those without a seat get the first numbers behind the seats, in this order.</param>
    public EraPeers(ValidatorSet validators, IEnumerable<ParticipantId> known)
    {
        _validators = validators;
        _others = [.. known.Where(organisation => validators.Seats.All(seat => seat.Organisation != organisation)).Take(MostOthers)];
    }

    /// <summary>The organisation with a number; null when nobody has it.</summary>
    public ParticipantId? OrganisationOf(int peer) =>
        peer < _validators.Count ? _validators.Seats[peer].Organisation : peer - _validators.Count < _others.Count ? _others[peer - _validators.Count] : null;

    /// <summary>The number of an organisation; −1 when too many were heard already.</summary>
    public int PeerOf(ParticipantId organisation)
    {
        for (var seat = 0; seat < _validators.Count; seat++)
        {
            if (_validators.Seats[seat].Organisation == organisation) return seat;
        }

        var other = _others.IndexOf(organisation);
        if (other < 0 && _others.Count >= MostOthers) return -1;
        if (other < 0) _others.Add(organisation);
        return _validators.Count + (other < 0 ? _others.Count - 1 : other);
    }
}
