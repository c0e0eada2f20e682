using EhrGrains.Connect.Egress;
using EhrGrains.Connect.Ehr;
using EhrGrains.Connect.Smart;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace EhrGrains.Connect.Tests;

public sealed class ConnectServicesTests
{
    [Fact]
    public void Everything_is_there_and_bounded_by_the_configuration()
    {
        using var services = Build(("EhrGrains:Connect:BodyBytesMax", "4096"));
        services.GetRequiredService<EhrClient>().ShouldNotBeNull();
        services.GetRequiredService<SmartDiscovery>().ShouldNotBeNull();
        services.GetRequiredService<TokenClient>().ShouldNotBeNull();
        services.GetRequiredService<EgressClients>().ShouldBeSameAs(services.GetRequiredService<EgressClients>());
        services.GetRequiredService<ConnectOptions>().BodyBytesMax.ShouldBe(4096);
    }

    [Fact]
    public void Values_out_of_their_range_stop_the_start_and_are_all_named()
    {
        using var services = Build(("EhrGrains:Connect:AssertionLifetime", "00:06:00"), ("EhrGrains:Connect:RetriesMax", "100"));
        var failed = Should.Throw<OptionsValidationException>(() => services.GetRequiredService<IStartupValidator>().Validate());
        failed.Message.ShouldContain(nameof(ConnectOptions.AssertionLifetime));
        failed.Message.ShouldContain(nameof(ConnectOptions.RetriesMax));
    }

    [Fact]
    public void The_defaults_are_within_their_ranges()
    {
        using var services = Build();
        services.GetRequiredService<IStartupValidator>().Validate();
    }

    private static ServiceProvider Build(params (string Key, string Value)[] settings) => new ServiceCollection()
        .AddSingleton<IConfiguration>(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(static s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build())
        .AddEhrGrainsConnect()
        .BuildServiceProvider();
}
