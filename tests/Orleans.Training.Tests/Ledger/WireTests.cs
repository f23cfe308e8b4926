using Orleans.Training.Protocol;

namespace Orleans.Training.Tests.Ledger;

/// <summary>One thread encodes one thing after the other, one within another, and goes on after a failure: each time as if there were nothing else.</summary>
public sealed class WireTests
{
    [Fact]
    public void Encode_WithinEncode_GivesBothTheirOwnBytes()
    {
        byte[] inner = [];
        var outer = Wire.Encode(writer =>
        {
            writer.WriteStartArray(2);
            writer.WriteInt32(1);
            inner = Wire.Encode(other => other.WriteTextString("inner"));
            writer.WriteByteString(inner);
            writer.WriteEndArray();
        });
        Assert.Equal("65696E6E6572", Convert.ToHexString(inner));
        Assert.Equal("82014665696E6E6572", Convert.ToHexString(outer));
    }

    [Fact]
    public void Encode_AfterAFailure_BeginsAnew()
    {
        Assert.Equal("01", Convert.ToHexString(Wire.Encode(writer => writer.WriteInt32(1))));
        Assert.Throws<InvalidDataException>(() => Wire.Encode(writer =>
        {
            writer.WriteStartArray(3);
            writer.WriteInt32(7);
            throw new InvalidDataException();
        }));
        Assert.Equal("02", Convert.ToHexString(Wire.Encode(writer => writer.WriteInt32(2))));
    }

    [Fact]
    public void Encode_AfterSomethingLarge_BeginsAnew()
    {
        var large = Wire.Encode(writer => writer.WriteByteString(new byte[1 << 20]));
        Assert.Equal((1 << 20) + 5, large.Length);
        Assert.Equal("02", Convert.ToHexString(Wire.Encode(writer => writer.WriteInt32(2))));
        Assert.Equal("03", Convert.ToHexString(Wire.Encode(writer => writer.WriteInt32(3))));
    }

    [Fact]
    public void WhatWasEncoded_StaysAsItIs()
    {
        var first = Wire.Encode(writer => writer.WriteTextString("first"));
        Wire.Encode(writer => writer.WriteTextString("other"));
        Assert.Equal("656669727374", Convert.ToHexString(first));
    }
}
