using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Ledger;

/// <summary>Two certificates that contradict each other name everyone who stands in both, and nobody else.</summary>
public sealed class ForkProofTests
{
    private static readonly Digest Chain = Digest.Of("chain"u8);
    private static readonly Identifier Shard = Identifier.Of("shard"u8);
    private static readonly TestKey[] Votes = [.. Enumerable.Range(0, Limits.Validators).Select(seat => TestShard.Key($"seat-{seat}/vote"))];

    private static Vote Finalize(int block, ulong view = 7) => Vote.Finalize(1, view, Digest.Of([(byte)block]));

    internal static ForkProof Example => ForkProof.Find(Chain, Shard, Set(4), [Join(Finalize(1), 0, 1, 2), Join(Finalize(2), 1, 2, 3)])!;

    [Fact]
    public void TwoFinalizationsOfAView_NameWhoSignedBoth()
    {
        Assert.Equal(FaultKind.TwoFinalizations, Example.Check());
        Assert.Equal([1, 2], Example.Signers.Select(signer => signer.Seat));
        Assert.Equal([Votes[1].Public, Votes[2].Public], Example.Signers.Select(signer => signer.Key));
        Assert.InRange(Example.Encode().Length, 1, 600);
    }

    [Fact]
    public void WhatCanExistTogether_NamesNobody()
    {
        Certificate[] honest =
        [
            Join(Vote.Notarize(1, 7, 6, Digest.Of([1])), 0, 1, 2), Join(Finalize(1), 0, 1, 2), Join(Finalize(1), 1, 2, 3),
            Join(Vote.Notarize(1, 8, 7, Digest.Of([2])), 0, 1, 2), Join(Vote.Nullify(1, 8), 1, 2, 3), Join(Vote.Notarize(1, 9, 7, Digest.Of([3])), 0, 1, 3),
        ];
        Assert.Null(ForkProof.Find(Chain, Shard, Set(4), honest));
        // Another era is another matter.
        Assert.Null(ForkProof.Find(Chain, Shard, Set(4), [.. honest, Join(Vote.Finalize(2, 7, Digest.Of([9])), 0, 1, 2)]));
    }

    // A random shard forks: q sign one statement of a view, q another one, and the liars are those that both need; everything else that is certified is in order.
    [Fact]
    public void EveryFork_NamesMoreThanMayLie_AndNobodyElse() =>
        Gen.Select(Gen.Int[4, Limits.Validators], Gen.Int[0, 3], Gen.Int[0, int.MaxValue]).Sample((n, kind, seed) =>
        {
            var set = Set(n);
            var random = new Random(seed);
            int[] seats = [.. Enumerable.Range(0, n)];
            random.Shuffle(seats);
            var (first, second) = (seats[..set.Quorum], seats[(n - set.Quorum)..]);
            var liars = first.Intersect(second).Order().ToList();
            var (one, other) = kind switch
            {
                0 => (Vote.Notarize(1, 7, 6, Digest.Of([1])), Vote.Notarize(1, 7, 6, Digest.Of([2]))),
                1 => (Vote.Notarize(1, 7, 6, Digest.Of([1])), Vote.Notarize(1, 7, 5, Digest.Of([1]))),
                2 => (Finalize(1), Vote.Nullify(1, 7)),
                _ => (Finalize(1), Finalize(2)),
            };
            List<Certificate> all = [Join(one, first), Join(other, second), Join(Vote.Nullify(1, 8), first), Join(Vote.Notarize(1, 9, 7, Digest.Of([4])), second), Join(Finalize(5, 10), first)];
            var shuffled = all.ToArray();
            random.Shuffle(shuffled);
            var proof = ForkProof.Find(Chain, Shard, set, shuffled);
            Assert.NotNull(proof);
            Assert.NotEqual(FaultKind.None, proof.Check());
            Assert.Equal(liars, proof.Signers.Select(signer => signer.Seat));
            Assert.True(liars.Count > set.MaxFaulty);
            Assert.True(ForkProof.TryParse(proof.Encode(), out var parsed));
            Assert.Equal(proof.Check(), parsed!.Check());
            Assert.Equal(proof.Encode(), parsed.Encode());
            Assert.InRange(proof.Encode().Length, 1, 300 + 180 * liars.Count);
        }, iter: 300, seed: "0000ForkProof1");

    [Fact]
    public void AnyByteChanged_ProvesNothing()
    {
        var bytes = Example.Encode();
        for (var i = 0; i < bytes.Length; i++)
        {
            // Whose seat it is says the validator set, not the file: all else is signed.
            var changed = bytes.ToArray();
            changed[i] ^= 1;
            if (ForkProof.TryParse(changed, out var proof) && proof!.Check() is not FaultKind.None) Assert.True(proof.Signers.Where((signer, at) => signer.Seat != Example.Signers[at].Seat).Any(), $"byte {i}");
        }
    }

    [Fact]
    public void Names_AreNotCountedTwice()
    {
        var proof = Example;
        Assert.Equal(FaultKind.None, (proof with { Signers = [proof.Signers[0], proof.Signers[0] with { Seat = 3 }] }).Check());
        Assert.Equal(FaultKind.None, (proof with { Signers = [proof.Signers[1], proof.Signers[0]] }).Check());
        Assert.Equal(FaultKind.None, (proof with { Signers = [] }).Check());
        Assert.Equal(FaultKind.None, (proof with { Signers = [proof.Signers[0], proof.Signers[1] with { Second = proof.Signers[0].Second }] }).Check());
        Assert.Equal(FaultKind.None, (proof with { Second = proof.First }).Check());
    }

    private static ValidatorSet Set(int seats) => new(1, [.. Enumerable.Range(0, seats).Select(seat => new Validator(ParticipantId.Parse($"seat-{seat}"), Other(seat, "identity"), Votes[seat].Public, Other(seat, "cosign"), Other(seat, "log")))]);

    private static PublicKey Other(int seat, string role) => PublicKey.TryCreate(SignatureAlgorithm.Ed25519, Digest.Of(System.Text.Encoding.UTF8.GetBytes($"{seat} {role}")).ToArray(), out var key) ? key! : throw new InvalidDataException();

    private static Certificate Join(Vote vote, params int[] seats) => Certificate.Join([.. seats.Order().Select(seat => new SignedVote(vote, seat, Votes[seat].Sign(vote.Preimage(Chain, Shard))))]);
}
