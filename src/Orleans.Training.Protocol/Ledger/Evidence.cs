using System.Formats.Cbor;

namespace Orleans.Training.Protocol.Ledger;

/// <summary>
/// Proof from bytes alone that the owner of a vote key broke a rule of the vote guard (docs/spec/consensus.md §10): two votes by that key which contradict each other. It names a key;
/// whose key it is says the validator set of the votes' era. Below 600 bytes.
/// </summary>
/// <param name="Chain">Digest of genesis.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Key">The vote key of the guilty seat.</param>
/// <param name="First">One vote.</param>
/// <param name="Second">The other vote, of the same seat.</param>
public sealed record Evidence(Digest Chain, Identifier Shard, PublicKey Key, SignedVote First, SignedVote Second) : FaultProof
{
    private const int MostBytes = 1024;

    /// <inheritdoc/>
    public override IReadOnlyList<PublicKey> Keys => [Key];

    /// <inheritdoc/>
    public override ulong? Era => First.Vote.Era;

    /// <inheritdoc/>
    public override ulong View => First.Vote.View;

    /// <summary>Which rule two votes of one seat break together. Preimages are compared, never signatures: a vote may be signed twice.</summary>
    public static FaultKind FaultOf(Vote first, Vote second)
    {
        if (first.Era != second.Era || first.View != second.View || first == second) return FaultKind.None;
        return (first.Kind, second.Kind) switch
        {
            (VoteKind.Notarize, VoteKind.Notarize) => FaultKind.TwoNotarizations,
            (VoteKind.Finalize, VoteKind.Finalize) => FaultKind.TwoFinalizations,
            (VoteKind.Nullify, VoteKind.Finalize) or (VoteKind.Finalize, VoteKind.Nullify) => FaultKind.NullifiedAndFinalized,
            _ => FaultKind.None,
        };
    }

    /// <summary>What is proven: <see cref="FaultKind.None"/> unless both signatures are good, by one seat, and the votes contradict each other.</summary>
    public override FaultKind Check()
    {
        if (Key.Algorithm is not SignatureAlgorithm.Ed25519 || First.Seat != Second.Seat) return FaultKind.None;
        var fault = FaultOf(First.Vote, Second.Vote);
        return fault is not FaultKind.None && IsSigned(First) && IsSigned(Second) ? fault : FaultKind.None;
    }

    /// <inheritdoc/>
    public override bool IsOf(Genesis genesis) => genesis.Chain == Chain && genesis.Shard == Shard;

    /// <inheritdoc/>
    public override Validator? SeatOf(ValidatorSet validators, PublicKey key) => key == Key ? VoterOf(validators, First.Vote.Era, First.Seat, key) : null;

    /// <summary>[1, chain, shard, key, first, second].</summary>
    public override byte[] Encode() => Wire.Encode(writer =>
    {
        writer.WriteStartArray(6);
        writer.WriteUInt32(1);
        writer.Write(Chain);
        writer.Write(Shard);
        Key.Write(writer);
        First.Write(writer);
        Second.Write(writer);
        writer.WriteEndArray();
    });

    /// <summary>Parses what <see cref="Encode"/> wrote; proves nothing yet.</summary>
    public static bool TryParse(ReadOnlyMemory<byte> bytes, out Evidence? evidence) => Wire.TryDecode(bytes, MostBytes, Read, out evidence) && evidence is not null;

    private static Evidence Read(CborReader reader)
    {
        reader.ReadArrayHead(6);
        reader.ReadVersion(1);
        var evidence = new Evidence(reader.ReadDigest(), reader.ReadIdentifier(), PublicKey.Read(reader), SignedVote.Read(reader), SignedVote.Read(reader));
        reader.ReadEndArray();
        return evidence;
    }

    private bool IsSigned(SignedVote vote)
    {
        Span<byte> preimage = stackalloc byte[Vote.PreimageSize];
        vote.Vote.WritePreimage(Chain, Shard, preimage);
        return Signatures.Verify(Key, preimage, vote.Signature.Span);
    }
}
