using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>One who gave both votes of a <see cref="ForkProof"/>.</summary>
/// <param name="Seat">The seat in the validator set of the votes' era.</param>
/// <param name="Key">The seat's vote key, Ed25519.</param>
/// <param name="First">The signature on the first vote, 64 bytes.</param>
/// <param name="Second">The signature on the second vote, 64 bytes.</param>
public sealed record ForkSigner(int Seat, PublicKey Key, ReadOnlyMemory<byte> First, ReadOnlyMemory<byte> Second);

/// <summary>
/// Who made a fork possible (docs/spec/consensus.md §10.2): the seats that stand in two certificates which cannot both exist while at most f lie. By bytes alone it proves of each named key that its owner broke a rule
/// of the vote guard, and names nobody else. Two quorums of n share at least 2q − n ≥ f + 1 seats.
/// </summary>
/// <param name="Chain">Digest of genesis.</param>
/// <param name="Shard">The shard.</param>
/// <param name="First">What one certificate says.</param>
/// <param name="Second">What the other says, of the same view.</param>
/// <param name="Signers">Those that signed both, in seat order.</param>
public sealed record ForkProof(Digest Chain, Identifier Shard, Vote First, Vote Second, IReadOnlyList<ForkSigner> Signers) : FaultProof
{
    private const uint Kind = 2;
    private const int MostBytes = 512 + Limits.Validators * 192;

    /// <inheritdoc/>
    public override IReadOnlyList<PublicKey> Keys => [.. Signers.Select(signer => signer.Key)];

    /// <inheritdoc/>
    public override ulong? Era => First.Era;

    /// <inheritdoc/>
    public override ulong View => First.View;

    /// <summary>
    /// The first two certificates, by view, that contradict each other, and who signed both; null when there are none. Given the notarizations and nullifications
    /// that honest validators keep, every fork of finalizations leads to such a pair.
    /// </summary>
    /// <param name="chain">Digest of genesis.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="validators">The validators of one era; certificates of others are passed over.</param>
    /// <param name="certificates">Certificates for which <see cref="Certificate.Verify"/> has said yes, in any order, also several for one statement.</param>
    public static ForkProof? Find(Digest chain, Identifier shard, ValidatorSet validators, IEnumerable<Certificate> certificates)
    {
        var views = new SortedDictionary<ulong, List<Certificate>>();
        foreach (var certificate in certificates)
        {
            if (certificate.Vote.Era != validators.Era) continue;
            if (!views.TryGetValue(certificate.View, out var known)) views.Add(certificate.View, known = []);
            if (!known.Exists(other => other.Vote == certificate.Vote)) known.Add(certificate);
        }

        foreach (var known in views.Values)
        {
            for (var i = 0; i < known.Count; i++)
            {
                for (var j = 0; j < i; j++)
                {
                    if (Evidence.FaultOf(known[j].Vote, known[i].Vote) is not FaultKind.None) return Of(chain, shard, validators, known[j], known[i]);
                }
            }
        }

        return null;
    }

    /// <summary>What is proven of every signer: <see cref="FaultKind.None"/> unless the votes contradict each other, somebody is named, nobody twice, and every signature is good.</summary>
    public override FaultKind Check()
    {
        var fault = Evidence.FaultOf(First, Second);
        if (fault is FaultKind.None || Signers.Count == 0) return FaultKind.None;
        var (first, second) = (First.Preimage(Chain, Shard), Second.Preimage(Chain, Shard));
        var keys = new HashSet<PublicKey>();
        for (var i = 0; i < Signers.Count; i++)
        {
            var signer = Signers[i];
            if (signer.Key.Algorithm is not SignatureAlgorithm.Ed25519 || !keys.Add(signer.Key) || (i > 0 && signer.Seat <= Signers[i - 1].Seat)) return FaultKind.None;
            if (!Signatures.Verify(signer.Key, first, signer.First.Span) || !Signatures.Verify(signer.Key, second, signer.Second.Span)) return FaultKind.None;
        }

        return fault;
    }

    /// <inheritdoc/>
    public override bool IsOf(Genesis genesis) => genesis.Chain == Chain && genesis.Shard == Shard;

    /// <inheritdoc/>
    public override Validator? SeatOf(ValidatorSet validators, PublicKey key) => Signers.FirstOrDefault(signer => signer.Key == key) is { } signer ? VoterOf(validators, First.Era, signer.Seat, key) : null;

    /// <summary>[2, chain, shard, first vote, second vote, [[seat, key, signature, signature]…]]; a vote is [kind, era, view, parent view, digest].</summary>
    public override byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(6);
        writer.WriteUInt32(Kind);
        writer.Write(Chain);
        writer.Write(Shard);
        Write(writer, First);
        Write(writer, Second);
        writer.WriteStartArray(Signers.Count);
        foreach (var signer in Signers)
        {
            writer.WriteStartArray(4);
            writer.WriteInt32(signer.Seat);
            signer.Key.Write(writer);
            writer.WriteByteString(signer.First.Span);
            writer.WriteByteString(signer.Second.Span);
            writer.WriteEndArray();
        }

        writer.WriteEndArray();
        writer.WriteEndArray();
    });

    /// <summary>Parses what <see cref="Encode"/> wrote; proves nothing yet.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out ForkProof? proof) => Wire.TryDecode(bytes, MostBytes, Read, out proof) && proof is not null;

    private static ForkProof Of(Digest chain, Identifier shard, ValidatorSet validators, Certificate first, Certificate second)
    {
        var signers = new List<ForkSigner>();
        for (var seat = 0; seat < validators.Count; seat++)
        {
            if (first.SignedBy(seat) && second.SignedBy(seat) && validators.Seats[seat].VoteKey is { } key) signers.Add(new ForkSigner(seat, key, first.VoteOf(seat).Signature, second.VoteOf(seat).Signature));
        }

        return new ForkProof(chain, shard, first.Vote, second.Vote, signers);
    }

    private static void Write(CborWriter writer, Vote vote)
    {
        writer.WriteStartArray(5);
        vote.WriteFields(writer);
        writer.WriteEndArray();
    }

    private static Vote ReadVote(CborReader reader)
    {
        reader.ReadArrayHead(5);
        var vote = Vote.ReadFields(reader);
        reader.ReadEndArray();
        return vote;
    }

    private static ForkSigner ReadSigner(CborReader reader)
    {
        reader.ReadArrayHead(4);
        var signer = new ForkSigner(reader.ReadNumber(Limits.Validators - 1), PublicKey.Read(reader), reader.ReadBytes(Signatures.Size), reader.ReadBytes(Signatures.Size));
        Wire.Require(signer.First.Length == Signatures.Size && signer.Second.Length == Signatures.Size);
        reader.ReadEndArray();
        return signer;
    }

    private static ForkProof Read(CborReader reader)
    {
        reader.ReadArrayHead(6);
        reader.ReadVersion(Kind);
        var proof = new ForkProof(reader.ReadDigest(), reader.ReadIdentifier(), ReadVote(reader), ReadVote(reader), reader.ReadArray(Limits.Validators, ReadSigner));
        reader.ReadEndArray();
        return proof;
    }
}
