using System.Security.Cryptography;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Keys;

public sealed class KeyFolderTests : IDisposable
{
    private readonly TemporaryFolder _root = new();
    private readonly KeyFolder _keys;

    public KeyFolderTests() => _keys = new KeyFolder(_root.Path, ParticipantId.Parse("alpha"));

    public static TheoryData<SignatureAlgorithm> Algorithms => new(SignatureAlgorithm.Ed25519, SignatureAlgorithm.Es256);

    public void Dispose() => _root.Dispose();

    [Theory, MemberData(nameof(Algorithms))]
    public async Task Key_SignsAlikeAfterReopening(SignatureAlgorithm algorithm)
    {
        var created = _keys.Create("vote", algorithm);
        var opened = _keys.Open("vote");
        Assert.Equal(created.PublicKey, opened.PublicKey);
        Assert.Equal(algorithm, opened.PublicKey.Algorithm);
        // Half of all ES256 signatures come out with a high s: 32 of them are not all low by chance.
        for (var i = 0; i < 32; i++)
        {
            var message = new byte[i * 10];
            var signature = await opened.Sign(message, default);
            Assert.True(Signatures.Verify(created.PublicKey, message, signature));
        }

        Assert.Equal(["vote"], _keys.Names);
    }

    [Fact]
    public void Key_IsNeverOverwritten()
    {
        var key = _keys.Create("vote", SignatureAlgorithm.Ed25519).PublicKey;
        Assert.Equal("OT-4033", Assert.Throws<OperationalException>(() => _keys.Create("vote", SignatureAlgorithm.Ed25519)).Code);
        Assert.Equal(key, _keys.Open("vote").PublicKey);
    }

    [Fact]
    public void Files_AreForTheirOwnerOnly()
    {
        _keys.Create("vote", SignatureAlgorithm.Ed25519);
        if (OperatingSystem.IsWindows()) return;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf("vote")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_root["alpha"]));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void File_ThatOthersMayUse_IsRefused(UnixFileMode extra)
    {
        _keys.Create("vote", SignatureAlgorithm.Ed25519);
        if (OperatingSystem.IsWindows()) return;
        File.SetUnixFileMode(PathOf("vote"), File.GetUnixFileMode(PathOf("vote")) | extra);
        Assert.Equal("OT-4031", Assert.Throws<OperationalException>(() => _keys.Open("vote")).Code);
    }

    [Fact]
    public void Folder_ThatOthersMayUse_IsRefused()
    {
        if (OperatingSystem.IsWindows()) return;
        File.SetUnixFileMode(_root["alpha"], File.GetUnixFileMode(_root["alpha"]) | UnixFileMode.OtherExecute);
        Assert.Equal("OT-4031", Assert.Throws<OperationalException>(() => new KeyFolder(_root.Path, ParticipantId.Parse("alpha"))).Code);
    }

    [Theory, MemberData(nameof(Algorithms))]
    public void File_CutAnywhere_IsRefused_WithoutItsSecret(SignatureAlgorithm algorithm)
    {
        _keys.Create("vote", algorithm);
        var whole = File.ReadAllBytes(PathOf("vote"));
        for (var length = 0; length < whole.Length; length++) RequireRefusal(whole, whole[..length]);
        RequireRefusal(whole, [.. whole, 0]);
    }

    [Theory, MemberData(nameof(Algorithms))]
    public void File_FlippedAnywhere_IsRefused_WithoutItsSecret(SignatureAlgorithm algorithm)
    {
        _keys.Create("vote", algorithm);
        var whole = File.ReadAllBytes(PathOf("vote"));
        for (var at = 0; at < whole.Length; at++)
        {
            var flipped = (byte[])whole.Clone();
            flipped[at] ^= 1;
            RequireRefusal(whole, flipped);
        }
    }

    [Theory, MemberData(nameof(Algorithms))]
    public void PublicKey_OfAnotherSecret_IsRefused(SignatureAlgorithm algorithm)
    {
        _keys.Create("one", algorithm);
        _keys.Create("two", algorithm);
        var (one, two) = (File.ReadAllBytes(PathOf("one")), File.ReadAllBytes(PathOf("two")));
        var mixed = one[..41].Concat(two[41..^32]).ToArray();
        File.WriteAllBytes(PathOf("one"), [.. mixed, .. SHA256.HashData(mixed)]);
        Assert.Equal("OT-4032", Assert.Throws<OperationalException>(() => _keys.Open("one")).Code);
    }

    [Theory, MemberData(nameof(Algorithms))]
    public async Task Secret_AppearsNowhere_AndADisposedSignerSignsNothing(SignatureAlgorithm algorithm)
    {
        var signer = _keys.Create("vote", algorithm);
        var secret = File.ReadAllBytes(PathOf("vote"))[9..41];
        RequireNoSecret(secret, $"{signer} {signer.PublicKey} {System.Text.Json.JsonSerializer.Serialize(signer)}");
        ((IDisposable)signer).Dispose();
        RequireNoSecret(secret, (await Assert.ThrowsAnyAsync<ObjectDisposedException>(async () => await signer.Sign(new byte[1], default))).ToString());
    }

    [Fact]
    public void DestroyedKey_IsGone()
    {
        _keys.Create("vote", SignatureAlgorithm.Ed25519);
        Assert.True(_keys.Destroy("vote"));
        Assert.False(_keys.Destroy("vote"));
        Assert.Equal("OT-4030", Assert.Throws<OperationalException>(() => _keys.Open("vote")).Code);
    }

    [Theory]
    [InlineData("../beta")]
    [InlineData("")]
    [InlineData("a/b")]
    [InlineData("UPPER")]
    public void Name_ThatLeavesTheFolder_IsRefused(string name) => Assert.Throws<ArgumentException>(() => _keys.Open(name));

    private void RequireRefusal(byte[] whole, byte[] damaged)
    {
        File.WriteAllBytes(PathOf("vote"), damaged);
        var refusal = Assert.Throws<OperationalException>(() => _keys.Open("vote"));
        Assert.Equal("OT-4032", refusal.Code);
        RequireNoSecret(whole[9..41], refusal.ToString());
    }

    private static void RequireNoSecret(byte[] secret, string text)
    {
        Assert.DoesNotContain(Convert.ToHexString(secret)[..16], text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Convert.ToBase64String(secret)[..12], text, StringComparison.Ordinal);
    }

    private string PathOf(string name) => _root[Path.Combine("alpha", name + ".key")];
}
