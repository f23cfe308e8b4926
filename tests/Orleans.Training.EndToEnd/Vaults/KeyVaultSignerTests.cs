using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Security.Cryptography;
using Azure.Core;
using Azure.Core.Diagnostics;
using Azure.Identity;
using Microsoft.AspNetCore.Http;
using Orleans.Training.Grains;
using Orleans.Training.Grains.AzureServices;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.EndToEnd.Vaults;

/// <summary>Keys in a vault: what is asked, what is believed, and that no token goes astray.</summary>
public sealed class KeyVaultSignerTests : IAsyncLifetime
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly Credential _credential = new();
    private FakeVault _vault = null!;
    private string _version = "";

    public static TheoryData<string> Strangers => new(
        "", "Bearer", "Basic realm=\"x\"", "Bearer resource=\"\"", "Bearer resource=\"vault.example\"", "Bearer resource=\"https://vault.azure.net\"", "Bearer resource=\"https://ault.example\"", "Bearer resource=\"http://vault.example\"",
        $"Bearer resource=\"https://{FakeVault.Host}\"", "Bearer resource=\"https://x.hospital.vault.example\"", "Bearer scope=\"https://other.example/.default\"", "Bearer resource=\"https://vault.example.other\"", "Bearer resource=\"https://vault.example@other.example\"");

    public async Task InitializeAsync()
    {
        _vault = await FakeVault.Start();
        _version = _vault.Add("identity", _key);
    }

    public async Task DisposeAsync()
    {
        await _vault.DisposeAsync();
        _key.Dispose();
    }

    [Fact]
    public async Task Vault_SignsInTheAcceptedForm_WithOneChallenge_AndTheFirstRequestHasNoToken()
    {
        var signer = Open();
        // Half of all signatures come out with a high s: 32 of them are not all low by chance.
        for (var i = 0; i < 32; i++) await RequireSigns(signer, new byte[i * 10]);
        var requests = _vault.Requests.ToList();
        Assert.Equal($"GET /keys/identity/{_version}?api-version=7.6 no token", requests[0]);
        Assert.Equal($"GET /keys/identity/{_version}?api-version=7.6 token", requests[1]);
        Assert.All(requests[2..], request => Assert.Equal($"POST /keys/identity/{_version}/sign?api-version=7.6 token", request));
        Assert.Equal(34, requests.Count);
        Assert.Equal([$"{FakeVault.Resource}/.default {FakeVault.Tenant}"], _credential.Asked.Distinct());
    }

    [Fact]
    public async Task Vault_SignsConcurrently()
    {
        var signer = Open();
        await Task.WhenAll(Enumerable.Range(0, 50).Select(i => RequireSigns(signer, BitConverter.GetBytes(i))));
    }

    [Fact]
    public async Task NewerVersion_DoesNotMatter()
    {
        var signer = Open();
        using var newer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _vault.Add("identity", newer);
        await RequireSigns(signer, new byte[1]);
        Assert.Equal(signer.PublicKey, Open().PublicKey);
    }

    [Fact]
    public async Task Scope_InsteadOfResource_IsUnderstood()
    {
        _vault.Challenge = $"Bearer authorization=\"https://login.example/{FakeVault.Tenant}\", scope=\"{FakeVault.Resource}/.default\"";
        await RequireSigns(Open(), new byte[1]);
    }

    [Theory, MemberData(nameof(Strangers))]
    public void Host_ThatAsksForAnothersToken_GetsNone(string challenge)
    {
        _vault.Challenge = challenge;
        Assert.Equal("OT-4050", Refusal(() => Open()).Code);
        Assert.Empty(_credential.Asked);
        Assert.All(_vault.Requests, request => Assert.EndsWith("no token", request, StringComparison.Ordinal));
    }

    [Fact]
    public void Host_ThatLetsNobodyIn_WithoutSayingWhy_GetsNoToken()
    {
        _vault.Challenge = null;
        Assert.Equal("OT-4051", Refusal(() => Open()).Code);
        Assert.Empty(_credential.Asked);
    }

    [Fact]
    public async Task BusyVault_IsAskedAgain_AsItWishes()
    {
        var signer = Open();
        _vault.Requests.Clear();
        _vault.Faults.Enqueue(context =>
        {
            context.Response.Headers.RetryAfter = "1";
            return FakeVault.Fault(context, 429, "Throttled");
        });
        _vault.Faults.Enqueue(context => FakeVault.Fault(context, 503, "ServiceUnavailable"));
        await RequireSigns(signer, new byte[1]);
        Assert.Equal(3, _vault.Requests.Count);
    }

    [Theory]
    [InlineData(429, null)]
    [InlineData(503, null)]
    [InlineData(429, "86400")]
    public async Task VaultThatStaysBusy_FailsWithItsNumber(int status, string? wait)
    {
        var signer = Open(wait is null ? TimeSpan.FromSeconds(30) : TimeSpan.FromSeconds(1));
        for (var time = 0; time < 3; time++)
        {
            _vault.Faults.Enqueue(context =>
            {
                if (wait is not null) context.Response.Headers.RetryAfter = wait;
                return FakeVault.Fault(context, status, "Throttled");
            });
        }

        Assert.Equal("OT-4053", (await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
    }

    [Fact]
    public async Task Caller_MayGiveUp()
    {
        var signer = Open();
        using var given = new CancellationTokenSource();
        _vault.Faults.Enqueue(async context =>
        {
            await given.CancelAsync();
            await FakeVault.Fault(context, 429, "Throttled");
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await signer.Sign(new byte[1], given.Token));
    }

    [Fact]
    public async Task CutConnections_FailWithTheirNumber()
    {
        var signer = Open();
        for (var time = 0; time < 3; time++)
        {
            _vault.Faults.Enqueue(context =>
            {
                context.Abort();
                return Task.CompletedTask;
            });
        }

        Assert.Equal("OT-4053", (await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
    }

    [Theory]
    [InlineData(403, "OT-4051")]
    [InlineData(404, "OT-4052")]
    [InlineData(400, "OT-4054")]
    [InlineData(302, "OT-4054")]
    public async Task Refusal_HasItsNumber_AndTheVaultsCode(int status, string code)
    {
        var signer = Open();
        _vault.Faults.Enqueue(context => FakeVault.Fault(context, status, "SomeCode"));
        var refusal = await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default));
        Assert.Equal(code, refusal.Code);
        Assert.Contains("SomeCode", refusal.Message, StringComparison.Ordinal);
        await RequireSigns(signer, new byte[1]);
    }

    [Fact]
    public void Key_ThatCannotSignHere_IsRefused()
    {
        using var wide = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using var rsa = RSA.Create(2048);
        foreach (var version in (string[])[_vault.Add("identity", wide), _vault.Add("identity", rsa), _vault.Add("identity", _key, enabled: false), _vault.Add("identity", _key, true, "verify"), new('0', 32)])
            Assert.Equal("OT-4052", Refusal(() => Open(version: version)).Code);
    }

    [Fact]
    public async Task Answer_ThatIsNotTheOneAskedFor_IsRefused()
    {
        var signer = Open();
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var kid = $"https://{FakeVault.Host}/keys/identity/{_version}";
        var good = Base64Url.EncodeToString(_key.SignData(new byte[1], HashAlgorithmName.SHA256));
        object?[] answers =
        [
            new { kid, value = Base64Url.EncodeToString(other.SignData(new byte[1], HashAlgorithmName.SHA256)) }, new { kid, value = Base64Url.EncodeToString(_key.SignData(new byte[2], HashAlgorithmName.SHA256)) },
            new { kid = kid.Replace(_version, new string('0', 32), StringComparison.Ordinal), value = good }, new { kid = kid.Replace("hospital", "clinic", StringComparison.Ordinal), value = good }, new { kid = 1, value = good }, new { value = good },
            new { kid, value = good[..^2] }, new { kid, value = good + "AA" }, new { kid, value = "!" }, new { kid, value = 5 }, new { kid }, Array.Empty<int>(), null, "text", new { kid, value = good, more = new string('x', 65_536) },
        ];
        foreach (var answer in answers)
        {
            _vault.Faults.Enqueue(context => context.Response.WriteAsJsonAsync(answer));
            Assert.Equal("OT-4054", (await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
        }

        _vault.Faults.Enqueue(context => context.Response.WriteAsync("{"));
        Assert.Equal("OT-4054", (await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default))).Code);
        // The same form, untouched, is believed.
        _vault.Faults.Enqueue(context => context.Response.WriteAsJsonAsync(new { kid, value = good }));
        await RequireSigns(signer, new byte[1]);
    }

    [Fact]
    public void Machine_WithoutAnIdentity_IsToldSo()
    {
        _credential.Refuse = true;
        var refusal = Refusal(() => Open());
        Assert.Equal("OT-4051", refusal.Code);
        Assert.Contains("no identity here", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_AppearsInNoLog_AndNoMessage()
    {
        var logged = new ConcurrentQueue<string>();
        using var listener = new AzureEventSourceListener((_, text) => logged.Enqueue(text), EventLevel.LogAlways);
        var signer = Open();
        await RequireSigns(signer, new byte[1]);
        _vault.Faults.Enqueue(context => FakeVault.Fault(context, 403, FakeVault.Token.Replace("token-", "", StringComparison.Ordinal)));
        var refusal = await Assert.ThrowsAsync<OperationalException>(async () => await signer.Sign(new byte[1], default));
        Assert.NotEmpty(logged);
        Assert.All(logged, text => Assert.DoesNotContain(FakeVault.Token, text, StringComparison.Ordinal));
        Assert.DoesNotContain(FakeVault.Token, $"{refusal} {signer} {System.Text.Json.JsonSerializer.Serialize(signer)}", StringComparison.Ordinal);
    }

    private static async Task RequireSigns(KeyVaultSigner signer, byte[] message)
    {
        var signature = await signer.Sign(message, default);
        Assert.True(Signatures.Verify(signer.PublicKey, message, signature));
    }

    private static OperationalException Refusal(Action action) => Assert.Throws<OperationalException>(action);

    private KeyVaultSigner Open(TimeSpan? patience = null, string? version = null)
    {
        Assert.True(KeyReference.TryParse($"https://{FakeVault.Host}/keys/identity/{version ?? _version}", out var reference, out var problem), problem);
        var options = new KeyVaultOptions { Transport = _vault.Transport(), Patience = patience ?? TimeSpan.FromSeconds(30) };
        (options.Retry.MaxRetries, options.Retry.Delay, options.Retry.MaxDelay) = (2, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1));
        return KeyVaultSigner.Open((VaultKey)reference!, _credential, options);
    }

    /// <summary>Gives the token that the vault wants, and notes for what it was asked.</summary>
    private sealed class Credential : TokenCredential
    {
        public ConcurrentQueue<string> Asked { get; } = [];

        public bool Refuse { get; set; }

        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            Asked.Enqueue($"{string.Join(' ', requestContext.Scopes)} {requestContext.TenantId}");
            return Refuse ? throw new CredentialUnavailableException("no identity here") : new AccessToken(FakeVault.Token, DateTimeOffset.UtcNow.AddHours(1));
        }

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => new(GetToken(requestContext, cancellationToken));
    }
}
