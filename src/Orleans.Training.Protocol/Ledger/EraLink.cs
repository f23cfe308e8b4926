using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Proof that one validator set follows another: the finalization of the block that sealed the era, that block's header, and the next set. Whoever knows the era's set
/// needs nothing else to believe in the next one (docs/spec/consensus.md §9).
/// </summary>
/// <param name="Final">A finalization of the sealing block, by the era that it ends.</param>
/// <param name="Header">The sealing block's header, encoded.</param>
/// <param name="Next">The validators of the next era.</param>
public sealed record EraLink(Certificate Final, ReadOnlyMemory<byte> Header, ValidatorSet Next)
{
    private const int MaximumHeader = 4096;

    /// <summary>The era that it ends.</summary>
    public ulong Era => Final.Vote.Era;

    /// <summary>Time of the sealing block, ms since 1970 (UTC); 0 when the header is none.</summary>
    public long SealedMs => Wire.TryDecode(Header, MaximumHeader, BlockHeader.Read, out var header) ? header!.TimeMs : 0;

    /// <summary>Whether <paramref name="current"/> sealed its era in favour of <see cref="Next"/>.</summary>
    public bool Verify(ValidatorSet current, Digest chain, Identifier shard) =>
        Final.Kind is VoteKind.Finalize && Final.Digest == Block.DigestOf(Header.Span)
        && Wire.TryDecode(Header, MaximumHeader, BlockHeader.Read, out var header) && header.Chain == chain && header.Shard == shard
        && header.Era == current.Era && header.Validators == current.Digest && header.NextValidators == Next.Digest && Next.Era == current.Era + 1
        && Final.Verify(current, chain, shard);

    /// <summary>The set at the end of a chain of links that begins with a set that is believed; null at the first link that does not follow.</summary>
    public static ValidatorSet? Follow(ValidatorSet trusted, Digest chain, Identifier shard, IEnumerable<EraLink> links)
    {
        foreach (var link in links)
        {
            if (!link.Verify(trusted, chain, shard)) return null;
            trusted = link.Next;
        }

        return trusted;
    }

    /// <summary>Writes [finalization, header: byte string, validators].</summary>
    public void Write(CborWriter writer)
    {
        writer.WriteStartArray(3);
        writer.WriteEncodedValue(Final.Encode().Span);
        writer.WriteByteString(Header.Span);
        writer.WriteEncodedValue(Next.Encode());
        writer.WriteEndArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote; nothing of it is believed yet.</summary>
    public static EraLink Read(CborReader reader)
    {
        reader.ReadArrayHead(3);
        var link = new EraLink(Certificate.Read(reader), reader.ReadBytes(MaximumHeader), ValidatorSet.Read(reader));
        Wire.Require(link.Final.Kind is VoteKind.Finalize);
        reader.ReadEndArray();
        return link;
    }
}
