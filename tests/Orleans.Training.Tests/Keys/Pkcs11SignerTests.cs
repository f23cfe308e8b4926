using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;
using Orleans.Training.Grains;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Tests.Cluster;

namespace Orleans.Training.Tests.Keys;

/// <summary>Keys in a token, against SoftHSM.</summary>
public sealed class Pkcs11SignerTests(SoftTokens tokens) : IClassFixture<SoftTokens>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("object=identity")]
    [InlineData("id=%01")]
    [InlineData("id=%01;object=identity;type=private")]
    public async Task Es256_SignsInTheAcceptedForm(string path)
    {
        using var signer = Open($"token=hospital;{path}");
        Assert.Equal(tokens.Identity, signer.PublicKey);
        // Half of all signatures come out with a high s: 32 of them are not all low by chance.
        for (var i = 0; i < 32; i++) await RequireSigns(signer, tokens.Identity, new byte[i * 10]);
    }

    [Fact]
    public async Task Ed25519_SignsMessages_NotDigests()
    {
        using var signer = Open("token=hospital;object=edwards");
        Assert.Equal(tokens.Edwards, signer.PublicKey);
        for (var i = 0; i < 8; i++) await RequireSigns(signer, tokens.Edwards, new byte[i * 100]);
    }

    [Fact]
    public async Task TwoSigners_OfOneToken_SignConcurrently_AndOneSurvivesTheOther()
    {
        using var first = Open("token=hospital;object=identity");
        var second = Open("token=hospital;object=edwards");
        var signed = await Task.WhenAll(Enumerable.Range(0, 200).Select(async i => (i, Signature: await (i % 2 == 0 ? first : second).Sign(BitConverter.GetBytes(i), default))));
        Assert.All(signed, item => Assert.True(Signatures.Verify(item.i % 2 == 0 ? tokens.Identity : tokens.Edwards, BitConverter.GetBytes(item.i), item.Signature)));
        second.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await second.Sign(new byte[1], default));
        await RequireSigns(first, tokens.Identity, new byte[1]);
    }

    [Fact]
    public async Task LostSession_FailsWithItsNumber_AndTheNextCallLogsInAgain()
    {
        using var signer = Open("token=guarded;object=identity");
        for (var time = 0; time < 3; time++)
        {
            SlotOf("guarded").CloseAllSessions();
            Assert.Equal("OT-4043", (await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
            await RequireSigns(signer, tokens.Identity, new byte[1]);
        }
    }

    [Fact]
    public async Task LoggedOutSession_FailsWithItsNumber_AndTheNextCallLogsInAgain()
    {
        using var signer = Open("token=guarded;object=identity");
        using (var session = SlotOf("guarded").OpenSession(SessionType.ReadOnly)) session.Logout();
        Assert.Equal("OT-4043", (await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
        await RequireSigns(signer, tokens.Identity, new byte[1]);
    }

    [Fact]
    public async Task RemovedToken_FailsWithANumber_AndStaysFailed()
    {
        using var signer = Open("token=removed;object=identity");
        await RequireSigns(signer, tokens.Identity, new byte[1]);
        tokens.Remove("removed");
        var codes = new List<string>();
        for (var time = 0; time < 3; time++) codes.Add((await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
        Assert.Equal("OT-4043", codes[0]);
        Assert.All(codes[1..], code => Assert.True(code is "OT-4040" or "OT-4041" or "OT-4042", code));
    }

    [Fact]
    public void RefusedPin_IsNotTriedAgain_AndNotShown()
    {
        const string Wrong = "pin-000001";
        var texts = new List<string>();
        for (var time = 0; time < 2; time++)
        {
            var refusal = Assert.Throws<OperationalException>(() => Open("token=guarded;id=%01", Wrong));
            Assert.Equal("OT-4041", refusal.Code);
            texts.Add(refusal.ToString());
        }

        Assert.Contains("CKR_PIN_INCORRECT", texts[0], StringComparison.Ordinal);
        Assert.Contains("not tried again", texts[1], StringComparison.Ordinal);
        Assert.All(texts, text => Assert.DoesNotContain(Wrong, text, StringComparison.Ordinal));
        using var signer = Open("token=guarded;id=%01");
        Assert.Equal(tokens.Identity, signer.PublicKey);
    }

    [Theory]
    [InlineData("token=nowhere;object=identity", "OT-4040")]
    [InlineData("token=hospital;serial=0000;object=identity", "OT-4040")]
    [InlineData("token=hospital;object=nothing", "OT-4042")]
    [InlineData("token=hospital;object=identity;id=%02", "OT-4042")]
    [InlineData("token=hospital;object=twin", "OT-4042")]
    [InlineData("token=hospital;object=wide", "OT-4042")]
    [InlineData("token=hospital;object=rsa", "OT-4042")]
    [InlineData("token=hospital;object=lonely", "OT-4042")]
    public void Key_ThatCannotSignHere_IsRefused(string path, string code) => Assert.Equal(code, Assert.Throws<OperationalException>(() => Open(path)).Code);

    [Fact]
    public void Id_TellsKeysOfOneLabelApart()
    {
        using var signer = Open("token=hospital;object=twin;id=%03");
        Assert.Equal(tokens.Twin, signer.PublicKey);
    }

    [Theory]
    [InlineData("/nowhere/module.so")]
    [InlineData("/etc/hostname")]
    [InlineData("/lib/x86_64-linux-gnu/libc.so.6")]
    public void Library_ThatIsNone_IsRefused_EachTime(string module)
    {
        for (var time = 0; time < 2; time++) Assert.Equal("OT-4040", Assert.Throws<OperationalException>(() => Open("token=hospital;object=identity", module: module)).Code);
    }

    [Fact]
    public async Task Pin_AppearsInNoText()
    {
        using var signer = Open("token=hospital;object=identity");
        var reference = Reference("token=hospital;object=identity", SoftTokens.Pin, SoftTokens.Module);
        Assert.DoesNotContain(SoftTokens.Pin, $"{signer} {reference} {System.Text.Json.JsonSerializer.Serialize(signer)} {System.Text.Json.JsonSerializer.Serialize(reference)}", StringComparison.Ordinal);
        signer.Dispose();
        Assert.DoesNotContain(SoftTokens.Pin, (await Assert.ThrowsAsync<ObjectDisposedException>(async () => await signer.Sign(new byte[1], default))).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task IdentityKey_OfAFolder_MayLieInAToken()
    {
        var folder = new KeyFolder(_folder.Path, ParticipantId.Parse("alpha"));
        foreach (var name in (string[])["vote", "cosign", "log"]) (folder.Create(name, SignatureAlgorithm.Ed25519) as IDisposable)?.Dispose();
        KeyReferenceTests.WriteOwn(_folder["alpha/transaction.ref"], $"{Reference("token=hospital;object=identity", SoftTokens.Pin, SoftTokens.Module)}\n");
        var keys = ShardFiles.OpenSeat(folder);
        Assert.IsType<Pkcs11Signer>(keys.Transaction);
        Assert.Equal(tokens.Identity, keys.Transaction.PublicKey);
        await RequireSigns(keys.Transaction, tokens.Identity, new byte[5]);
        ((IDisposable)keys.Transaction).Dispose();
    }

    private static async Task RequireSigns(ISigner signer, PublicKey key, byte[] message)
    {
        var signature = await signer.Sign(message, default);
        Assert.True(Signatures.Verify(key, message, signature));
    }

    private static ISlot SlotOf(string token)
    {
        var factories = new Pkcs11InteropFactories();
        // The module is the process's: this one is never finalised either.
        return factories.Pkcs11LibraryFactory.LoadPkcs11Library(factories, SoftTokens.Module, AppType.MultiThreaded).GetSlotList(SlotsType.WithTokenPresent).Single(slot => slot.GetTokenInfo().Label.TrimEnd() == token);
    }

    private Pkcs11Signer Open(string path, string pin = SoftTokens.Pin, string module = SoftTokens.Module) => Pkcs11Signer.Open(Reference(path, pin, module));

    private TokenKey Reference(string path, string pin, string module)
    {
        Assert.True(KeyReference.TryParse($"pkcs11:{path}?module-path={module}&pin-source=file:{SoftTokens.PinFile(_folder, pin)}", out var reference, out var problem), problem);
        return (TokenKey)reference!;
    }
}
