using System.Runtime.Intrinsics;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace Orleans.Training.Protocol.Aggregation;

/// <summary>The AES rounds of FIPS 197 §5.1 as a processor offers them. All of them take the same time whatever the data; a table would not.</summary>
internal interface IAesRounds
{
    /// <summary>Round key 0, before the first round.</summary>
    static abstract Vector128<byte> Begin(Vector128<byte> block, Vector128<byte> key);

    /// <summary>One of rounds 1 to 13. The two keys are those of the round and of the one before: processors differ in when they add it.</summary>
    static abstract Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> before, Vector128<byte> key);

    /// <summary>Round 14, which does not mix columns.</summary>
    static abstract Vector128<byte> End(Vector128<byte> state, Vector128<byte> before, Vector128<byte> key);
}

/// <summary>x86: AESENC and AESENCLAST add the round's key last.</summary>
internal readonly struct X86AesRounds : IAesRounds
{
    public static bool IsSupported => X86Aes.IsSupported && BitConverter.IsLittleEndian;

    public static Vector128<byte> Begin(Vector128<byte> block, Vector128<byte> key) => block ^ key;

    public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> before, Vector128<byte> key) => X86Aes.Encrypt(state, key);

    public static Vector128<byte> End(Vector128<byte> state, Vector128<byte> before, Vector128<byte> key) => X86Aes.EncryptLast(state, key);
}

/// <summary>The two instructions of ARMv8 that make a round; a test puts its own in their place.</summary>
internal interface IArmAesInstructions
{
    /// <summary>AESE: ShiftRows(SubBytes(state ⊕ key)).</summary>
    static abstract Vector128<byte> Aese(Vector128<byte> state, Vector128<byte> key);

    /// <summary>AESMC: MixColumns(state).</summary>
    static abstract Vector128<byte> Aesmc(Vector128<byte> state);
}

/// <summary>The instructions of the processor.</summary>
internal readonly struct ArmAesInstructions : IArmAesInstructions
{
    public static bool IsSupported => ArmAes.IsSupported && BitConverter.IsLittleEndian;

    public static Vector128<byte> Aese(Vector128<byte> state, Vector128<byte> key) => ArmAes.Encrypt(state, key);

    public static Vector128<byte> Aesmc(Vector128<byte> state) => ArmAes.MixColumns(state);
}

/// <summary>ARM64: AESE adds a key first, so that each round adds the one of the round before, and the last one stands alone.</summary>
internal readonly struct ArmAesRounds<TInstructions> : IAesRounds where TInstructions : struct, IArmAesInstructions
{
    public static Vector128<byte> Begin(Vector128<byte> block, Vector128<byte> key) => block;

    public static Vector128<byte> Middle(Vector128<byte> state, Vector128<byte> before, Vector128<byte> key) => TInstructions.Aesmc(TInstructions.Aese(state, before));

    public static Vector128<byte> End(Vector128<byte> state, Vector128<byte> before, Vector128<byte> key) => TInstructions.Aese(state, before) ^ key;
}
