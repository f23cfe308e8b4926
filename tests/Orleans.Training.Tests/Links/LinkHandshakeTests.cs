using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Orleans.Training.Grains.Links;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Tests.Links;

/// <summary>Who may open a link, and what somebody on the way can do: nothing but cut it.</summary>
public sealed class LinkHandshakeTests
{
    [Fact]
    public async Task TwoSeats_KnowEachOther()
    {
        using var one = await TestSeats.Certificate(1);
        using var other = await TestSeats.Certificate(3);
        var (dialled, listened) = await Shake(one, wanted: 3, other, self: 3);
        Assert.Equal(TestSeats.Identity(3), dialled.Peer);
        Assert.Equal(TestSeats.Identity(1), listened.Peer);
        Assert.Equal(SslProtocols.Tls13, dialled.Stream.SslProtocol);
        await dialled.Stream.WriteAsync(new byte[] { 42 });
        Assert.Equal(42, await ReadByte(listened.Stream));
    }

    public static TheoryData<string> Impostors => ["wrong seat", "key of another seat", "another shard", "no statement", "statement of another certificate", "itself"];

    [Theory]
    [MemberData(nameof(Impostors))]
    public async Task ADialler_WhoIsNotTheSeatThatHeSays_IsRefused(string how)
    {
        using var certificate = await Impostor(how);
        using var listener = await TestSeats.Certificate(3);
        await Assert.ThrowsAnyAsync<Exception>(() => Shake(certificate, wanted: 3, listener, self: 3, dialler: 1));
    }

    [Theory]
    [InlineData("wrong seat")]
    [InlineData("key of another seat")]
    [InlineData("another shard")]
    [InlineData("no statement")]
    [InlineData("statement of another certificate")]
    public async Task AListener_WhoIsNotTheSeatThatWasWanted_IsRefused(string how)
    {
        using var own = await TestSeats.Certificate(3);
        using var certificate = await Impostor(how);
        await Assert.ThrowsAnyAsync<Exception>(() => Shake(own, wanted: 1, certificate, self: 1, dialler: 3));
    }

    [Fact]
    public async Task AWrongBitOnTheWay_EndsTheLink()
    {
        using var one = await TestSeats.Certificate(1);
        using var other = await TestSeats.Certificate(3);
        var armed = false;
        var (dialled, listened) = await Shake(one, wanted: 3, other, self: 3, change: bytes =>
        {
            if (armed) bytes[^1] ^= 1;
            return bytes;
        });
        armed = true;
        await dialled.Stream.WriteAsync(new byte[] { 42 });
        await Assert.ThrowsAnyAsync<IOException>(() => ReadByte(listened.Stream));
    }

    [Fact]
    public async Task ACertificate_NamesItsSeat_AndNoOther()
    {
        for (var seat = 0; seat < TestSeats.Genesis.Validators.Count; seat++)
        {
            using var certificate = await TestSeats.Certificate(seat);
            Assert.Equal(TestSeats.Identity(seat), SeatCertificate.IdentityOf(TestSeats.Genesis, certificate));
            Assert.Null(SeatCertificate.IdentityOf(TestSeats.Of("another"), certificate));
        }
    }

    // Every bit of the statement counts.
    [Fact]
    public async Task AStatement_WithAnyByteChanged_NamesNobody()
    {
        using var certificate = await TestSeats.Certificate(2);
        var extension = certificate.Extensions.Single(one => one.Oid!.Value == SeatCertificate.ExtensionOid).RawData;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        for (var i = 0; i < extension.Length; i++)
        {
            var changed = extension.ToArray();
            changed[i] ^= 1;
            using var forged = WithExtension(certificate, changed);
            Assert.Null(SeatCertificate.IdentityOf(TestSeats.Genesis, forged));
        }

        using var same = WithExtension(certificate, extension);
        Assert.Equal(TestSeats.Identity(2), SeatCertificate.IdentityOf(TestSeats.Genesis, same));
    }

    // Issued for the key of the other certificate, by a key that does not matter.
    private static X509Certificate2 WithExtension(X509Certificate2 certificate, byte[] extension)
    {
        using var issuer = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(new X500DistinguishedName("CN=seat"), certificate.PublicKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension(SeatCertificate.ExtensionOid, extension, critical: false));
        return request.Create(new X500DistinguishedName("CN=issuer"), X509SignatureGenerator.CreateForECDsa(issuer), DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100), [1]);
    }

    private static async Task<X509Certificate2> Impostor(string how)
    {
        switch (how)
        {
            case "wrong seat": return await TestSeats.Certificate(2);
            case "key of another seat": return await TestSeats.Certificate(1, signedBy: Ledger.TestShard.Hospitals[2]);
            case "another shard": return await TestSeats.Certificate(1, TestSeats.Of("another"));
            case "no statement": return LinkHandshake.NobodysCertificate();
            case "itself": return await TestSeats.Certificate(3);
            default:
                using (var good = await TestSeats.Certificate(1))
                {
                    using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                    var request = new CertificateRequest("CN=seat", key, HashAlgorithmName.SHA256);
                    request.CertificateExtensions.Add(good.Extensions.Single(one => one.Oid!.Value == SeatCertificate.ExtensionOid));
                    return request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
                }
        }
    }

    // The listener accepts any seat of the shard; the caller here wants to hear from one in particular.
    private static async Task<((SslStream Stream, LinkIdentity Peer) Dialled, (SslStream Stream, LinkIdentity Peer) Listened)> Shake(X509Certificate2 one, int wanted, X509Certificate2 other, int self, int? dialler = null, Func<byte[], byte[]>? change = null)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var pipe = new PipePair(change);
        var dialling = LinkHandshake.AsDialler(TestSeats.Genesis, one, pipe.Left, TestSeats.Name(wanted), TestSeats.Members.Admits, limit.Token);
        var listening = LinkHandshake.AsListener(TestSeats.Genesis, other, pipe.Right, TestSeats.Name(self), TestSeats.Members.Admits, limit.Token);
        try
        {
            await Task.WhenAll(dialling, listening);
        }
        catch
        {
            // In TLS 1.3 the dialler is done before the listener has judged.
            pipe.Left.Dispose();
            pipe.Right.Dispose();
            await Task.WhenAll((Task)dialling, listening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        var (dialled, listened) = (await dialling, await listening);
        if (dialler is { } expected && listened.Peer.Organisation != TestSeats.Name(expected)) throw new AuthenticationException("Another seat than the one that was said.");
        return (dialled, listened);
    }

    private static async Task<byte> ReadByte(Stream stream)
    {
        var one = new byte[1];
        await stream.ReadExactlyAsync(one);
        return one[0];
    }
}
