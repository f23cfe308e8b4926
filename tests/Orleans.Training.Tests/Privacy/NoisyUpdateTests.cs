using System.Buffers.Binary;
using System.Security.Cryptography;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Privacy;

namespace Orleans.Training.Tests.Privacy;

/// <summary>Under its noise an update has the norm that the accountant counts.</summary>
public class NoisyUpdateTests
{
    private static readonly SkellamSampler Sampler = new(100);
    // Four levels in norm over 64 coordinates: each is half a level, and rounding decides.
    private static readonly FixedPoint Parameters = FixedPoint.TryCreate(1L << 32, 1L << 32, 4, 4, out var parameters) ? parameters : throw new InvalidDataException("no parameters");
    private static readonly float[] Delta = [.. Enumerable.Repeat(1f, 64)];

    [Fact]
    public void Rounding_IsRepeatedUntilItIsShortEnough()
    {
        var limit = (int)new SkellamMechanism(SkellamMechanism.ClipOf(Parameters), 64, 100).SquaredNorm;
        Assert.Equal(40, limit);
        var (longer, whole) = (0, new SortedSet<int>());
        for (var i = 0; i < 1_000; i++)
        {
            var noise = new int[64];
            Sampler.AddTo(noise, Key(2 * i));
            Assert.True(NoisyUpdate.TryCreate(Parameters, Sampler, Delta, Key((2 * i) + 1), Key(2 * i), out var lanes));
            var squares = lanes.Zip(noise, (lane, part) => (lane - part) * (lane - part)).Sum();
            Assert.InRange(squares, 0, limit);
            whole.Add(squares);
            if (Parameters.TryQuantize(Delta, FixedPoint.WeightOne, HKDF.DeriveKey(HashAlgorithmName.SHA256, Key((2 * i) + 1), 32, [], [.. "FLv1-rounding"u8, 0]), out var once) && once.Sum(lane => lane * lane) > limit) longer++;
        }

        // What the condition is for has happened, and it takes nothing from the rest.
        Assert.InRange(longer, 5, 100);
        Assert.True(whole.Contains(limit) && whole.Count > 15);
    }

    [Fact]
    public void Update_FollowsFromItsKeys_AndEachOfThemMatters()
    {
        int[] Of(int rounding, int noise) => NoisyUpdate.TryCreate(Parameters, Sampler, Delta, Key(rounding), Key(noise), out var lanes) ? lanes : [];
        Assert.Equal(Of(1, 2), Of(1, 2));
        Assert.NotEqual(Of(1, 2), Of(3, 2));
        Assert.NotEqual(Of(1, 2), Of(1, 3));
    }

    [Fact]
    public void Update_ThatIsNotFinite_IsNone() => Assert.False(NoisyUpdate.TryCreate(Parameters, Sampler, [1f, float.NaN], Key(1), Key(2), out _));

    [Fact]
    public void Noise_IsWithinItsReach()
    {
        var lanes = new int[500_000];
        Sampler.AddTo(lanes, Key(7));
        Assert.Equal(100, SkellamSampler.Reach(100));
        Assert.Equal(15, SkellamSampler.Reach(2));
        Assert.All(lanes, lane => Assert.InRange(lane, -100, 100));
    }

    private static byte[] Key(int number)
    {
        var key = new byte[32];
        BinaryPrimitives.WriteInt32LittleEndian(key, number);
        return Digest.Of(key).ToArray();
    }
}
