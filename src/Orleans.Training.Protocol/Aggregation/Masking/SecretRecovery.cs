using System.Security.Cryptography;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>
/// A dealer's secret from opened shares. Shares are malleable, so only those count that match the dealer's leaves; if t of them give another secret
/// than the dealer committed to, the dealer itself is at fault, and the openings are the proof.
/// </summary>
public static class SecretRecovery
{
    /// <summary>The secret, or why there is none: <see cref="MaskFault.DegreeTooSmall"/> with fewer than t shares that match, <see cref="MaskFault.DealerFault"/> with another secret than was committed to.</summary>
    /// <param name="kind">Which secret.</param>
    /// <param name="cohort">ctx1.</param>
    /// <param name="graph">The graph of the cohort.</param>
    /// <param name="dealer">Whose secret.</param>
    /// <param name="blob">The dealer's blob.</param>
    /// <param name="advert">The dealer's keys: they commit to the seed.</param>
    /// <param name="commit">The dealer's commitment to b.</param>
    /// <param name="openings">Who opened what, in any order; what does not match its leaf is passed over.</param>
    /// <param name="secret">Receives 32 bytes, or zeros.</param>
    public static MaskFault TryRecover(
        ShareKind kind, CohortContext cohort, MaskGraph graph, ushort dealer, ShareBlob blob, KeyAdvert advert, ShareCommit commit,
        IEnumerable<(ushort Holder, SaltedShare Share)> openings, Span<byte> secret) =>
        TryRecover(kind, cohort, graph, dealer, blob, advert, commit, openings, MaskRules.Correct, secret);

    internal static MaskFault TryRecover(
        ShareKind kind, CohortContext cohort, MaskGraph graph, ushort dealer, ShareBlob blob, KeyAdvert advert, ShareCommit commit,
        IEnumerable<(ushort Holder, SaltedShare Share)> openings, MaskRules rules, Span<byte> secret)
    {
        secret.Clear();
        var (points, shares) = (new byte[graph.Threshold], new byte[graph.Threshold * MaskKeys.Size]);
        var count = 0;
        foreach (var (holder, share) in openings.OrderBy(opening => opening.Holder))
        {
            if (count == points.Length) break;
            var point = graph.PointOf(dealer, holder);
            if (point == 0 || points.AsSpan(0, count).Contains(point)) continue;
            if (rules.CheckLeaves && !blob.Matches(kind, share, cohort, dealer, holder, point)) continue;
            points[count] = point;
            share.Share.Span.CopyTo(shares.AsSpan(MaskKeys.Size * count++));
        }

        if (count < points.Length) return MaskFault.DegreeTooSmall;
        Shamir.Reconstruct(points, shares, secret);
        CryptographicOperations.ZeroMemory(shares);
        var committed = kind is ShareKind.Seed
            ? MaskKeys.MaskPublicKeyOf(secret, advert.Exchange).AsSpan().SequenceEqual(advert.MaskKey.Span)
            : MaskKeys.SelfCommitment(cohort, dealer, secret) == commit.SelfCommitment;
        if (committed || !rules.CheckSecrets) return MaskFault.None;
        secret.Clear();
        return MaskFault.DealerFault;
    }
}
