namespace Orleans.Training.Protocol.Aggregation;

/// <summary>P1: the keys of one participant for one attempt, as the ledger has them.</summary>
public sealed class KeyAdvert
{
    private KeyAdvert(ushort position, byte[] maskKey, byte[] envelopeKey, Digest nonce) => (Position, MaskKey, EnvelopeKey, Nonce) = (position, maskKey, envelopeKey, nonce);

    /// <summary>Position in the roster.</summary>
    public ushort Position { get; }
    /// <summary>pkMask: masks between pairs follow from it.</summary>
    public ReadOnlyMemory<byte> MaskKey { get; }
    /// <summary>pkEnc: envelopes to this participant are sealed under it.</summary>
    public ReadOnlyMemory<byte> EnvelopeKey { get; }
    /// <summary>This participant's part of the beacon.</summary>
    public Digest Nonce { get; }

    /// <summary>An advert with these parts.</summary>
    /// <exception cref="ArgumentException">A key has not 32 bytes, or the position is beyond the roster's limit.</exception>
    public static KeyAdvert Create(ushort position, ReadOnlySpan<byte> maskKey, ReadOnlySpan<byte> envelopeKey, Digest nonce)
    {
        if (position >= Limits.Participants) throw new ArgumentException($"Positions are below {Limits.Participants}, not {position}.", nameof(position));
        if (maskKey.Length != MaskKeys.Size || envelopeKey.Length != MaskKeys.Size) throw new ArgumentException($"Public keys have {MaskKeys.Size} bytes.", nameof(maskKey));
        return new(position, maskKey.ToArray(), envelopeKey.ToArray(), nonce);
    }

    /// <summary>Whether these can be a cohort's: positions ascend, every key is sound, and none is there twice, whatever it is for.</summary>
    public static MaskFault Check(IReadOnlyList<KeyAdvert> adverts) => Check(adverts, MaskRules.Correct);

    internal static MaskFault Check(IReadOnlyList<KeyAdvert> adverts, MaskRules rules)
    {
        var keys = new HashSet<Digest>();
        for (var i = 0; i < adverts.Count; i++)
        {
            var advert = adverts[i];
            if (i > 0 && advert.Position <= adverts[i - 1].Position) return MaskFault.WrongLength;
            if (!rules.RefuseWeakKeys) continue;
            if (!MaskKeys.IsSound(advert.MaskKey.Span) || !MaskKeys.IsSound(advert.EnvelopeKey.Span)) return MaskFault.WeakKey;
            if (!keys.Add(Digest.From(advert.MaskKey.Span)) || !keys.Add(Digest.From(advert.EnvelopeKey.Span))) return MaskFault.DuplicateKey;
        }

        return MaskFault.None;
    }
}
