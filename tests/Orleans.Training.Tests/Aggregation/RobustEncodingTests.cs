using CsCheck;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Aggregation;

/// <summary>Rules on the wire, and what is refused.</summary>
public sealed class RobustEncodingTests
{
    private static readonly Dictionary<string, RobustRule> Vectors = new()
    {
        ["666d656469616e"] = new CoordinateMedian(),
        ["82677472696d6d656402"] = new TrimmedMean(2),
        ["83646b72756d0205"] = new MultiKrum(2, 5),
        ["826662756c79616e02"] = new Bulyan(2),
        ["8368636c697070696e67190fa003"] = new CentredClipping(4000, 3),
        ["67666c7472757374"] = new FlTrust(),
    };

    [Fact]
    public void Rules_AreEncodedAsThePageSays()
    {
        foreach (var (hex, rule) in Vectors)
        {
            Assert.Equal(hex, Convert.ToHexStringLower(Wire.Encode(rule.Write)));
            Assert.True(Wire.TryDecode(Convert.FromHexString(hex), 64, RobustRule.Read, out var read));
            Assert.Equal(rule, read);
        }
    }

    [Fact]
    public void Rule_SaysItsNameAndConstants() => Assert.Equal("median trimmed(2) krum(2, 5) bulyan(2) clipping(4000, 3) fltrust", string.Join(' ', Vectors.Values));

    [Fact]
    public void ChangedBytes_AreRefused_OrAreTheEncodingOfARule() => Gen.Select(Gen.Int[0, 5], Gen.Int[0, 13], Gen.Byte, Gen.Bool).Sample((which, at, value, isCut) =>
    {
        var bytes = Convert.FromHexString(Vectors.Keys.ElementAt(which));
        at %= bytes.Length;
        if (isCut) bytes = bytes[..at];
        else bytes[at] = value;
        if (Wire.TryDecode(bytes, 64, RobustRule.Read, out var rule)) Assert.Equal(bytes, Wire.Encode(rule.Write));
    });

    [Theory]
    [InlineData("81666d656469616e")]         // ["median"]
    [InlineData("677472696d6d6564")]         // "trimmed"
    [InlineData("82677472696d6d656400")]     // [trimmed, 0]
    [InlineData("82677472696d6d65641820")]   // [trimmed, 32]
    [InlineData("83646b72756d0200")]         // [krum, 2, 0]
    [InlineData("83646b72756d181e05")]       // [krum, 30, 5] is sound
    [InlineData("83646b72756d181f01")]       // [krum, 31, 1]
    [InlineData("826662756c79616e10")]       // [bulyan, 16]
    [InlineData("8368636c697070696e670003")] // radius 0
    [InlineData("8368636c697070696e670111")] // 17 iterations
    [InlineData("8368636c697070696e671b000010000000000101")] // radius 2⁴⁴ + 1
    public void UnsoundRules_AreRefused(string hex) => Assert.Equal(hex == "83646b72756d181e05", Wire.TryDecode(Convert.FromHexString(hex), 64, RobustRule.Read, out _));

    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 5)]
    [InlineData(2, 9)]
    [InlineData(3, 11)]
    [InlineData(4, 3)]
    [InlineData(5, 1)]
    public void TooFewGroups_AreRefused_AndEnoughAreNot(int which, int least)
    {
        var rule = Vectors.Values.ElementAt(which);
        Assert.Equal(least, rule.LeastGroups);
        int[] reference = rule.NeedsReference ? [1] : [];
        _ = rule.Apply(Of(least), reference);
        if (least > 1) Assert.Contains($"{rule} needs {least} groups and has {least - 1}", Assert.Throws<ArgumentException>(() => rule.Apply(Of(least - 1), reference)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => rule.Apply(Of(least), rule.NeedsReference ? [] : [1]));
    }

    [Fact]
    public void Constants_OutOfRange_AreRefused()
    {
        foreach (RobustRule rule in new RobustRule[] { new TrimmedMean(0), new TrimmedMean(32), new MultiKrum(0, 1), new MultiKrum(1, 0), new MultiKrum(int.MaxValue, 1), new Bulyan(0), new CentredClipping(0, 1), new CentredClipping(1, 0) })
        {
            Assert.Throws<InvalidOperationException>(() => rule.Apply(Of(11), rule.NeedsReference ? [1] : []));
        }
    }

    [Fact]
    public void Groups_OutOfRange_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => Of(0));
        Assert.Throws<ArgumentException>(() => Of(65));
        Assert.Throws<ArgumentException>(() => new GroupSums([new[] { 1 }], [13]));
        Assert.Throws<ArgumentException>(() => new GroupSums([new[] { 1 }], [0]));
        Assert.Throws<ArgumentException>(() => new GroupSums([new[] { 1 }], [1, 1]));
        Assert.Throws<ArgumentException>(() => new GroupSums([new[] { 1 }, new[] { 1, 2 }], [1, 1]));
    }

    private static GroupSums Of(int count) => new([.. Enumerable.Range(0, count).Select(a => new ReadOnlyMemory<int>([a]))], [.. Enumerable.Range(0, count).Select(_ => 4)]);
}
