using System.Security.Cryptography;
using System.Text;
using CsCheck;
using EhrGrains.Contracts;
using EhrGrains.Storage.Keys;
using EhrGrains.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EhrGrains.Storage.Tests;

public sealed class PostgreSqlKeyRingTests(PostgreSqlFixture fixture) : KeyRingTests(fixture), IClassFixture<PostgreSqlFixture>;

public sealed class SqliteKeyRingTests(SqliteFixture fixture) : KeyRingTests(fixture), IClassFixture<SqliteFixture>;

public abstract class KeyRingTests(DatabaseFixture fixture)
{
    private static readonly byte[] Text = Encoding.UTF8.GetBytes("a secret");
    private static readonly byte[] Place = Encoding.UTF8.GetBytes("table|row");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_sealed_opens_on_another_silo()
    {
        var test = await fixture.GetAsync();
        using var here = test.NewKeyRing();
        using var there = test.NewKeyRing();

        var record = await here.SealAsync("opens", KeyClass.Credential, Text, Place, Cancelled);

        (await there.OpenAsync("opens", KeyClass.Credential, record, Place, Cancelled)).ShouldBe(Text);
        record.AsSpan().IndexOf(Text).ShouldBe(-1);
    }

    [Fact]
    public async Task A_record_opens_only_in_its_own_tenant_class_and_place()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        var record = await keys.SealAsync("mine", KeyClass.Id, Text, Place, Cancelled);
        await keys.SealAsync("theirs", KeyClass.Id, Text, Place, Cancelled);

        foreach (var (scope, keyClass, place) in ((string, KeyClass, byte[])[])
            [("theirs", KeyClass.Id, Place), ("mine", KeyClass.Cursor, Place), ("mine", KeyClass.Id, Text), ("nobody", KeyClass.Id, Place)])
        {
            var open = async () => await keys.OpenAsync(scope, keyClass, record, place, Cancelled);
            await open.ShouldThrowAsync<CryptographicException>();
        }
    }

    [Fact]
    public async Task Ciphers_are_shared_by_no_two_who_seal_and_open_at_once()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        await keys.SealAsync("busy", KeyClass.Record, Text, Place, Cancelled);

        await Parallel.ForEachAsync(Enumerable.Range(0, 4_000), new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Cancelled }, async (number, token) =>
        {
            var text = BitConverter.GetBytes(number);
            var keyClass = number % 2 == 0 ? KeyClass.Record : KeyClass.Sync;
            var record = await keys.SealAsync("busy", keyClass, text, Place, token);
            (await keys.OpenAsync("busy", keyClass, record, Place, token)).ShouldBe(text);
        });
    }

    [Fact]
    public async Task Keys_that_are_erased_while_they_are_in_use_seal_nothing_after()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();
        var record = await keys.SealAsync("erased", KeyClass.Record, Text, Place, Cancelled);
        using var begun = new SemaphoreSlim(0);
        var users = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            begun.Release();
            var use = async () =>
            {
                while (true)
                {
                    (await keys.OpenAsync("erased", KeyClass.Record, record, Place, Cancelled)).ShouldBe(Text);
                    await Task.Yield();
                }
            };
            await use.ShouldThrowAsync<TenantKeyDestroyedException>();
        }, Cancelled)).ToArray();
        for (var i = 0; i < users.Length; i++)
        {
            await begun.WaitAsync(Cancelled);
        }

        await keys.DestroyAsync("erased", Cancelled);

        await Task.WhenAll(users).WaitAsync(Cancelled);
        await ((Func<Task>)(async () => await keys.SealAsync("erased", KeyClass.Record, Text, Place, Cancelled))).ShouldThrowAsync<TenantKeyDestroyedException>();
    }

    [Fact]
    public async Task Silos_that_race_to_make_the_first_key_make_one()
    {
        var test = await fixture.GetAsync();
        var silos = Enumerable.Range(0, 4).Select(_ => test.NewKeyRing()).ToArray();

        var records = await Task.WhenAll(silos.Select(s => s.SealAsync("raced", KeyClass.Id, Text, Place, Cancelled).AsTask()));

        (await test.LookAsync("SELECT version FROM tenant_key WHERE tenant_id = 'raced'")).ShouldBe(["1"]);
        foreach (var record in records)
        {
            (await silos[0].OpenAsync("raced", KeyClass.Id, record, Place, Cancelled)).ShouldBe(Text);
        }

        Array.ForEach(silos, s => s.Dispose());
    }

    [Fact]
    public async Task A_destroyed_tenant_is_unreadable_and_never_gets_a_new_key()
    {
        var test = await fixture.GetAsync();
        using var here = test.NewKeyRing();
        using var there = test.NewKeyRing();
        var record = await here.SealAsync("gone", KeyClass.GrainState, Text, Place, Cancelled);
        var wrapped = await test.LookAsync($"SELECT {test.Hex("wrapped")} FROM tenant_key WHERE tenant_id = 'gone'");

        await here.DestroyAsync("gone", Cancelled);
        await here.DestroyAsync("gone", Cancelled);

        foreach (var silo in (KeyRing[])[here, there])
        {
            var open = async () => await silo.OpenAsync("gone", KeyClass.GrainState, record, Place, Cancelled);
            await open.ShouldThrowAsync<TenantKeyDestroyedException>();
            var seal = async () => await silo.SealAsync("gone", KeyClass.GrainState, Text, Place, Cancelled);
            await seal.ShouldThrowAsync<TenantKeyDestroyedException>();
        }

        wrapped.ShouldHaveSingleItem().ShouldNotBeNullOrEmpty();
        (await test.LookAsync("SELECT version FROM tenant_key WHERE tenant_id = 'gone' AND wrapped IS NOT NULL")).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_tenant_that_never_had_a_key_can_be_destroyed_too()
    {
        var test = await fixture.GetAsync();
        using var keys = test.NewKeyRing();

        await keys.DestroyAsync("never", Cancelled);

        var seal = async () => await keys.SealAsync("never", KeyClass.Id, Text, Place, Cancelled);
        await seal.ShouldThrowAsync<TenantKeyDestroyedException>();
    }

    [Fact]
    public async Task Another_silo_forgets_a_destroyed_tenant_within_five_minutes()
    {
        var test = await fixture.GetAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var database = test.Open(time);
        using var keys = new KeyRing(database, test.Root, time, NullLogger<KeyRing>.Instance);
        var record = await keys.SealAsync("forgotten", KeyClass.Id, Text, Place, Cancelled);
        using (var other = test.NewKeyRing())
        {
            await other.DestroyAsync("forgotten", Cancelled);
        }

        time.Advance(TimeSpan.FromMinutes(5));

        var open = async () => await keys.OpenAsync("forgotten", KeyClass.Id, record, Place, Cancelled);
        await open.ShouldThrowAsync<TenantKeyDestroyedException>();
    }

    [Fact]
    public async Task Keys_are_renewed_after_thirty_days_and_old_records_still_open()
    {
        var test = await fixture.GetAsync();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var database = test.Open(time);
        using var keys = new KeyRing(database, test.Root, time, NullLogger<KeyRing>.Instance);
        using var behind = test.NewKeyRing();
        var old = await keys.SealAsync("renewed", KeyClass.Id, Text, Place, Cancelled);
        await behind.OpenAsync("renewed", KeyClass.Id, old, Place, Cancelled);

        time.Advance(TimeSpan.FromDays(30));
        var young = await keys.SealAsync("renewed", KeyClass.Id, Text, Place, Cancelled);

        SealedRecord.ReadKeyId(young).ShouldBe(2);
        (await keys.OpenAsync("renewed", KeyClass.Id, old, Place, Cancelled)).ShouldBe(Text);
        (await behind.OpenAsync("renewed", KeyClass.Id, young, Place, Cancelled)).ShouldBe(Text);
    }

    [Fact]
    public async Task The_wrong_root_key_is_named_as_the_problem()
    {
        var test = await fixture.GetAsync();
        using var directory = new TempDirectory();
        using var keys = test.NewKeyRing();
        await keys.SealAsync("rooted", KeyClass.Id, Text, Place, Cancelled);
        using var wrong = new KeyRing(
            test.Database, RootKey.LoadOrCreate(directory.File("other.key")), TimeProvider.System, NullLogger<KeyRing>.Instance);

        var seal = async () => await wrong.SealAsync("rooted", KeyClass.Id, Text, Place, Cancelled);

        (await seal.ShouldThrowAsync<ProblemException>()).Problems[0].Code.ShouldBe("EHR-STO-011");
    }
}

public sealed class SealedRecordTests
{
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);
    private static readonly Gen<string> Label = Gen.String[Gen.Char.AlphaNumeric, 1, 6];

    [Fact]
    public void Anything_sealed_opens_again() =>
        Gen.Select(Gen.Byte.Array[0, 200], Gen.Byte.Array[0, 40]).Sample((plaintext, associatedData) =>
        {
            var record = SealedRecord.Seal(Key, 7, "tenant", KeyClass.Id, plaintext, associatedData);
            SealedRecord.ReadKeyId(record).ShouldBe(7);
            SealedRecord.Open(Key, record, "tenant", KeyClass.Id, associatedData).ShouldBe(plaintext);
        });

    [Fact]
    public void Any_flipped_bit_is_refused() =>
        Gen.Select(Gen.Byte.Array[0, 60], Gen.Int[0, 10_000], Gen.Int[0, 7]).Sample((plaintext, position, bit) =>
        {
            var record = SealedRecord.Seal(Key, 7, "tenant", KeyClass.Id, plaintext, []);
            record[position % record.Length] ^= (byte)(1 << bit);
            Should.Throw<CryptographicException>(() =>
            {
                SealedRecord.ReadKeyId(record);
                SealedRecord.Open(Key, record, "tenant", KeyClass.Id, []);
            });
        });

    [Fact]
    public void Scope_and_associated_data_cannot_be_divided_in_another_way() =>
        Gen.Select(Label, Label, Gen.Int[1, 6]).Sample((scope, data, cut) =>
        {
            var both = scope + data;
            var (otherScope, otherData) = (both[..Math.Min(cut, both.Length)], both[Math.Min(cut, both.Length)..]);
            var record = SealedRecord.Seal(Key, 1, scope, KeyClass.Id, [1], Encoding.UTF8.GetBytes(data));
            var open = () => SealedRecord.Open(Key, record, otherScope, KeyClass.Id, Encoding.UTF8.GetBytes(otherData));
            if (otherScope == scope)
            {
                open().ShouldBe([1]);
            }
            else
            {
                Should.Throw<CryptographicException>(open);
            }
        });

    [Fact]
    public void Scope_class_and_key_id_are_bound_even_under_the_same_key()
    {
        var record = SealedRecord.Seal(Key, 1, "tenant-a", KeyClass.Id, [1], []);
        SealedRecord.Open(Key, record, "tenant-a", KeyClass.Id, []).ShouldBe([1]);

        Should.Throw<CryptographicException>(() => SealedRecord.Open(Key, record, "tenant-b", KeyClass.Id, []));
        Should.Throw<CryptographicException>(() => SealedRecord.Open(Key, record, "tenant-a", KeyClass.Cursor, []));
    }

    [Fact]
    public void Too_short_is_refused_without_a_key() =>
        Should.Throw<CryptographicException>(() => SealedRecord.ReadKeyId(new byte[33]));
}

public sealed class RootKeyTests
{
    [Fact]
    public void A_new_root_key_is_readable_by_its_owner_alone_and_stays_the_same()
    {
        using var directory = new TempDirectory();
        var path = directory.File("deep/root.key");

        var first = RootKey.LoadOrCreate(path);
        var second = RootKey.LoadOrCreate(path);

        File.GetUnixFileMode(path).ShouldBe(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Convert.FromBase64String(File.ReadAllText(path).Trim()).Length.ShouldBe(32);
        second.Derive("x").ShouldBe(first.Derive("x"));
        first.Derive("x").ShouldNotBe(first.Derive("y"));
        Directory.GetFiles(directory.File("deep")).ShouldBe([path]);
    }

    [Fact]
    public void Processes_that_race_to_make_it_get_the_same()
    {
        using var directory = new TempDirectory();
        for (var round = 0; round < 50; round++)
        {
            var keys = new RootKey[8];
            var path = directory.File($"{round}/root.key");
            using var start = new Barrier(keys.Length);
            var makers = Enumerable.Range(0, keys.Length).Select(i => new Thread(() =>
            {
                start.SignalAndWait(TestContext.Current.CancellationToken);
                keys[i] = RootKey.LoadOrCreate(path);
            })).ToArray();
            Array.ForEach(makers, maker => maker.Start());
            Array.ForEach(makers, maker => maker.Join());

            keys.Select(k => Convert.ToHexString(k.Derive("x"))).Distinct().ShouldHaveSingleItem();
            Directory.GetFiles(directory.File($"{round}")).ShouldBe([path]);
        }
    }

    [Theory]
    [InlineData(null, "does not exist")]
    [InlineData("", "does not hold 32 bytes")]
    [InlineData("not base64 at all", "does not hold 32 bytes")]
    [InlineData("AAAA", "does not hold 32 bytes")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "does not hold 32 bytes")]
    public void A_missing_or_wrong_file_is_refused(string? content, string says)
    {
        using var directory = new TempDirectory();
        var path = directory.File("root.key");
        if (content is not null)
        {
            File.WriteAllText(path, content);
            File.SetUnixFileMode(path, UnixFileMode.UserRead);
        }

        Should.Throw<ProblemException>(() => RootKey.Load(path)).Message.ShouldContain(says);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    public void A_file_that_others_can_touch_is_refused(UnixFileMode mode)
    {
        using var directory = new TempDirectory();
        var path = directory.File("root.key");
        RootKey.LoadOrCreate(path);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | mode);

        Should.Throw<ProblemException>(() => RootKey.Load(path)).Message.ShouldContain("chmod 600");
    }
}
