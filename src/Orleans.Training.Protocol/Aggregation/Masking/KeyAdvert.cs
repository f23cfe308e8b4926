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

    /// <summary>What its keys are for, by their length.</summary>
    public KeyExchange Exchange => ExchangeOf(MaskKey.Length, EnvelopeKey.Length)!.Value;

    /// <summary>What keys of these lengths are for; null where they are no pair.</summary>
    internal static KeyExchange? ExchangeOf(int maskKey, int envelopeKey) => (maskKey, envelopeKey) switch
    {
        (MaskKeys.Size, MaskKeys.Size) => KeyExchange.X25519,
        (XWing.PublicKeyBytes, XWing.PublicKeyBytes) => KeyExchange.Hybrid,
        _ => null,
    };

    /// <summary>An advert with these parts.</summary>
    /// <exception cref="ArgumentException">The keys have not the length of an exchange, or the position is beyond the roster's limit.</exception>
    public static KeyAdvert Create(ushort position, ReadOnlySpan<byte> maskKey, ReadOnlySpan<byte> envelopeKey, Digest nonce)
    {
        if (position >= Limits.Participants) throw new ArgumentException($"Positions are below {Limits.Participants}, not {position}.", nameof(position));
        if (ExchangeOf(maskKey.Length, envelopeKey.Length) is null) throw new ArgumentException($"Public keys have both {MaskKeys.Size} or both {XWing.PublicKeyBytes} bytes.", nameof(maskKey));
        return new(position, maskKey.ToArray(), envelopeKey.ToArray(), nonce);
    }

    /// <summary>Whether these can be a cohort's: positions ascend, every key is one of the exchange and sound, and none is there twice, whatever it is for.</summary>
    public static MaskFault Check(IReadOnlyList<KeyAdvert> adverts, KeyExchange exchange) => Check(adverts, exchange, MaskRules.Correct);

    internal static MaskFault Check(IReadOnlyList<KeyAdvert> adverts, KeyExchange exchange, MaskRules rules)
    {
        var keys = new HashSet<Digest>();
        for (var i = 0; i < adverts.Count; i++)
        {
            var advert = adverts[i];
            if (advert.Exchange != exchange || (i > 0 && advert.Position <= adverts[i - 1].Position)) return MaskFault.WrongLength;
            if (!rules.RefuseWeakKeys) continue;
            if (!MaskKeys.IsSound(advert.MaskKey.Span, exchange) || !MaskKeys.IsSound(advert.EnvelopeKey.Span, exchange)) return MaskFault.WeakKey;
            if (!keys.Add(Digest.Of(advert.MaskKey.Span)) || !keys.Add(Digest.Of(advert.EnvelopeKey.Span))) return MaskFault.DuplicateKey;
        }

        return MaskFault.None;
    }
}
