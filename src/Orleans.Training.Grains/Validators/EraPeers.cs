using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// Which number a peer has in an era and which on the way to it: transports number the seats of genesis. A peer without a seat in the era is heard, and answered, under a number behind
/// the seats; a seat that the transport does not know is not reached yet.
/// </summary>
internal sealed class EraPeers
{
    private readonly int _seats;
    private readonly int[] _transportOf;
    private readonly int[] _peerOf;

    public EraPeers(Genesis genesis, ValidatorSet validators)
    {
        _seats = validators.Count;
        _transportOf = [.. validators.Seats.Select(seat => genesis.Validators.Seats.ToList().FindIndex(entry => entry.Organisation == seat.Organisation))];
        _peerOf = [.. Enumerable.Range(0, genesis.Validators.Count).Select(number => Array.IndexOf(_transportOf, number) is >= 0 and var seat ? seat : validators.Count + number)];
    }

    /// <summary>The transport's number for a peer of the era; −1 when it has none.</summary>
    public int TransportOf(int peer) => peer >= _seats ? peer - _seats : _transportOf[peer];

    /// <summary>The number in this era of the peer that the transport knows by this one.</summary>
    public int PeerOf(int transport) => _peerOf[transport];
}
