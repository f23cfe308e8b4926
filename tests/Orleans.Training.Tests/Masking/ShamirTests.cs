using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using CsCheck;
using Orleans.Training.Protocol.Aggregation;

namespace Orleans.Training.Tests.Masking;

public sealed class ShamirTests
{
    [Fact]
    public void Multiplication_IsTheTables()
    {
        // FIPS 197 §4.2: {57} · {83} = {c1}, {57} · {13} = {fe}.
        Assert.Equal((0xc1, 0xfe), (GaloisTable.Multiply(0x57, 0x83), GaloisTable.Multiply(0x57, 0x13)));
        for (var point = 0; point < 256; point++)
        {
            for (var from = 0; from < 256; from += 32)
            {
                var values = Vector256.Create([.. Enumerable.Range(from, 32).Select(value => (byte)value)]);
                var expected = Vector256.Create([.. Enumerable.Range(from, 32).Select(value => GaloisTable.Multiply((byte)value, (byte)point))]);
                Assert.Equal(expected, Shamir.MultiplyByDoubling(values, (byte)point));
                Assert.Equal(expected, Shamir.MultiplyByPoint(values, (byte)point));
                if (Gfni.V256.IsSupported) Assert.Equal(expected, Gfni.V256.GaloisFieldMultiply(values, Vector256.Create((byte)point)));
            }
        }
    }

    [Fact]
    public void Shares_AreThePolynomialsValues_AndAnyThresholdOfThemGivesTheSecret() => Gen.Select(Gen.Int[1, 32], Gen.Int[1, 255], Gen.Int).Sample((size, count, seed) =>
    {
        var random = new Random(seed);
        var threshold = random.Next(1, count + 1);
        var (secret, coefficients, shares) = (new byte[size], new byte[(threshold - 1) * size], new byte[count * size]);
        random.NextBytes(secret);
        random.NextBytes(coefficients);
        Shamir.Share(secret, threshold, coefficients, shares);
        Assert.Equal(Reference(secret, threshold, coefficients, count), shares);

        var chosen = Enumerable.Range(1, count).OrderBy(_ => random.Next()).Take(random.Next(threshold, count + 1)).Select(x => (byte)x).ToArray();
        var restored = new byte[size];
        Shamir.Reconstruct(chosen, [.. chosen.SelectMany(x => shares.AsSpan((x - 1) * size, size).ToArray())], restored);
        Assert.Equal(secret, restored);
    }, seed: "0000FedMask02", iter: 100);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void FewerShares_LeaveEverySecretEquallyPossible(int threshold)
    {
        // One byte, all coefficients: what t − 1 holders see is seen equally often under every secret, the top coefficient 0 included.
        var holders = threshold - 1;
        var views = new int[256, 1 << (8 * holders)];
        var shares = new byte[threshold + 1];
        var coefficients = new byte[holders];
        byte[] secrets = threshold == 2 ? [.. Enumerable.Range(0, 256).Select(i => (byte)i)] : [0, 1, 0x53, 0xff];
        foreach (var secret in secrets)
        {
            for (var random = 0; random < 1 << (8 * holders); random++)
            {
                for (var m = 0; m < holders; m++) coefficients[m] = (byte)(random >> (8 * m));
                Shamir.Share([secret], threshold, coefficients, shares);
                views[secret, threshold == 2 ? shares[2] : shares[1] | shares[3] << 8]++;
            }

            for (var view = 0; view < 1 << (8 * holders); view++) Assert.Equal(1, views[secret, view]);
        }
    }

    [Fact]
    public void Shares_OfTheSpecPage()
    {
        // The vector of docs/spec/fedmask.md §13, computed apart from this code.
        var secret = SHA256.HashData("secret"u8);
        byte[] coefficients = [.. SHA256.HashData("a1"u8), .. SHA256.HashData("a2"u8)];
        var shares = new byte[5 * 32];
        Shamir.Share(secret, 3, coefficients, shares);
        Assert.Equal(Reference(secret, 3, coefficients, 5), shares);
        Assert.Equal("fd371b2e96256d4d0bba300c56b3962b4bb4da462be80c551864efc0132cf968", Convert.ToHexStringLower(shares[^32..]));
    }

    [Fact]
    public void WhatDoesNotFit_IsRefused()
    {
        Assert.Throws<ArgumentException>(() => Shamir.Share(new byte[32], 3, new byte[64], new byte[64]));
        Assert.Throws<ArgumentException>(() => Shamir.Share(new byte[32], 0, [], new byte[64]));
        Assert.Throws<ArgumentException>(() => Shamir.Share(new byte[32], 3, new byte[63], new byte[96]));
        Assert.Throws<ArgumentException>(() => Shamir.Share(new byte[33], 1, [], new byte[33]));
        Assert.Throws<ArgumentException>(() => Shamir.Share(new byte[1], 1, [], new byte[256]));
        Assert.Throws<ArgumentException>(() => Shamir.Reconstruct([1, 1], new byte[2], new byte[1]));
        Assert.Throws<ArgumentException>(() => Shamir.Reconstruct([0, 1], new byte[2], new byte[1]));
        Assert.Throws<ArgumentException>(() => Shamir.Reconstruct([0], new byte[1], new byte[1]));
        Assert.Throws<ArgumentException>(() => Shamir.Reconstruct([], [], new byte[1]));
        Shamir.Share(new byte[1], 255, new byte[254], new byte[255]);
    }

    // Horner's rule with the table, byte by byte.
    private static byte[] Reference(byte[] secret, int threshold, byte[] coefficients, int count)
    {
        var shares = new byte[count * secret.Length];
        for (var x = 1; x <= count; x++)
        {
            for (var i = 0; i < secret.Length; i++)
            {
                byte value = 0;
                for (var m = threshold - 1; m >= 1; m--) value = GaloisTable.Multiply((byte)(value ^ coefficients[((m - 1) * secret.Length) + i]), (byte)x);
                shares[((x - 1) * secret.Length) + i] = (byte)(value ^ secret[i]);
            }
        }

        return shares;
    }
}
