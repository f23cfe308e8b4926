using System.Numerics;
using Orleans.Training.Protocol;

namespace Orleans.Training.Tests.Foreign;

/// <summary>
/// Which signatures are good is a rule of consensus (docs/spec/transaction.md), and libraries differ at its edges. The first twelve vectors and what libsodium says of
/// them are those of Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs" (2020), github.com/novifinancial/ed25519-speccheck, Apache 2.0.
/// </summary>
public sealed class SignatureVectorTests
{
    private static readonly BigInteger GroupOrder = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493");

    // RFC 8032 §7.1, test 3.
    private const string Key = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
    private const string Message = "af82";
    private const string Signature = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";

    // Points whose multiples are at most eight: order 1, 2, 4, 4, 8, 8, 8, 8; then spellings of them that no encoder makes (y at least p, or a sign for x = 0).
    private static readonly string[] SmallOrder =
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];

    [Theory]
    // 0: key and R of small order, S = 0: good for many messages, so it binds nothing.
    [InlineData(false, "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000")]
    // 1: key of small order, R of mixed order: nobody owns the key.
    [InlineData(false, "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04")]
    // 2: R of small order.
    [InlineData(false, "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e")]
    // 3: key and R of mixed order, and the equation holds without the cofactor: everybody accepts this one.
    [InlineData(true, "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009")]
    // 4: the equation holds only times the cofactor 8.
    [InlineData(false, "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09")]
    // 5: as 4, and differs with whether the hash is reduced before it is multiplied by 8.
    [InlineData(false, "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c", "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405")]
    // 6: S is at least the group's order.
    [InlineData(false, "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623", "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514")]
    // 7: S is far above it, so that a look at the upper bits is enough.
    [InlineData(false, "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40", "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623", "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22")]
    // 8, 9: R of small order in a spelling that no encoder makes, hashed reduced or as it stands.
    [InlineData(false, "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f")]
    [InlineData(false, "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41", "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908")]
    // 10, 11: the key of small order in such a spelling, hashed reduced or as it stands.
    [InlineData(false, "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04")]
    [InlineData(false, "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dca5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04")]
    // RFC 8032 §7.1, tests 1, 2 and 3.
    [InlineData(true, "", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData(true, "72", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    [InlineData(true, Message, Key, Signature)]
    // Test 3 under the key of test 2, and on another message.
    [InlineData(false, Message, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", Signature)]
    [InlineData(false, "af83", Key, Signature)]
    public void Ed25519_IsDecidedAsLibsodiumDoes(bool good, string message, string key, string signature) => Assert.Equal(good, Verify(message, key, Convert.FromHexString(signature)));

    [Fact]
    public void Ed25519_RefusesEveryOtherSpellingOfS()
    {
        var signature = Convert.FromHexString(Signature);
        for (var s = new BigInteger(signature.AsSpan(32), isUnsigned: true) + GroupOrder; s < BigInteger.One << 256; s += GroupOrder)
        {
            Assert.True(s.TryWriteBytes(signature.AsSpan(32), out var written, isUnsigned: true));
            signature.AsSpan(32 + written).Clear();
            Assert.False(Verify(Message, Key, signature));
        }
    }

    [Fact]
    public void Ed25519_RefusesEveryKeyAndEveryRThatBindsNobody()
    {
        foreach (var key in SmallOrder)
        {
            // S = 0 and R = the identity satisfy S·B = R + k·A for one message in at most eight.
            foreach (var r in SmallOrder)
            {
                for (var message = 0; message < 8; message++) Assert.False(Verify($"{message:x2}", key, [.. Convert.FromHexString(r), .. new byte[32]]), $"{key} {r} {message}");
            }

            Assert.False(Verify(Message, Key, [.. Convert.FromHexString(key), .. Convert.FromHexString(Signature).AsSpan(32)]));
        }
    }

    [Fact]
    public void Ed25519_RefusesEveryOtherLength_AndEverySingleBitFlipped()
    {
        var signature = Convert.FromHexString(Signature);
        foreach (var length in Enumerable.Range(0, 64)) Assert.False(Verify(Message, Key, signature[..length]));
        Assert.False(Verify(Message, Key, [.. signature, 0]));
        for (var bit = 0; bit < 512; bit++)
        {
            signature[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.False(Verify(Message, Key, signature), $"bit {bit}");
            signature[bit / 8] ^= (byte)(1 << bit % 8);
        }
    }

    [Theory]
    // RFC 6979 A.2.5, P-256 with SHA-256, "sample"; its s is above n/2 and is refused, n − s is accepted.
    [InlineData(false, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")]
    [InlineData(true, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf37160834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9")]
    // r = 0, s = 0, r = n, s = n.
    [InlineData(false, "00000000000000000000000000000000000000000000000000000000000000000834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9")]
    [InlineData(false, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf37160000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData(false, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc6325510834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9")]
    [InlineData(false, "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")]
    public void Es256_IsAcceptedInOneFormOnly(bool good, string signature)
    {
        const string Point = "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299";
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Es256, Convert.FromHexString(Point), out var key));
        Assert.Equal(good, Signatures.Verify(key!, "sample"u8, Convert.FromHexString(signature)));
    }

    [Theory]
    [InlineData(SignatureAlgorithm.Es256, "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb67903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462298")]
    [InlineData(SignatureAlgorithm.Es256, "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6")]
    [InlineData(SignatureAlgorithm.Es256, "00")]
    [InlineData(SignatureAlgorithm.Ed25519, "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb9115489080")]
    public void PublicKey_IsRefused_WhenItHasNotTheOneForm(SignatureAlgorithm algorithm, string bytes) => Assert.False(PublicKey.TryCreate(algorithm, Convert.FromHexString(bytes), out _));

    private static bool Verify(string message, string key, byte[] signature)
    {
        Assert.True(PublicKey.TryCreate(SignatureAlgorithm.Ed25519, Convert.FromHexString(key), out var parsed));
        return Signatures.Verify(parsed!, Convert.FromHexString(message), signature);
    }
}
